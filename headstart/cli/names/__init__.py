"""What things are called, tagged with and found by, on the command line."""
