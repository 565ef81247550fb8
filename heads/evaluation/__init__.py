"""How good a head is and how sure of that one may be; which features suit a task."""
