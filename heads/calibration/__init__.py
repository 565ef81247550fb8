"""Which rows say how sure a head may be, and the number by which its scores are divided."""
