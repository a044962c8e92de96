"""The command line: ``onemap …``."""
