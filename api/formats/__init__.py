"""Formats that features are written in, one module each; every module offers a ``FORMAT``."""
