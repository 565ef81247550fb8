"""The verbs of labels: what a person should look at, what was said of it, and making it so."""
