"""The verbs, one a file: a context and plain arguments in, results out; faces only show them."""
