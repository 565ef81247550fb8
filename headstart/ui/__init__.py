"""The page: what a workspace holds, to look at and to work in, as the command line has it."""
