"""The sections of the benchmarks, one a file; `run.py` runs each in a process of its own."""
