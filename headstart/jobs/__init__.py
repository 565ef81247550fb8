"""The verbs, one a file: plain arguments in, frozen results out."""
