"""What heads said of rows that they were not trained on, task by task, and how it is compared."""
