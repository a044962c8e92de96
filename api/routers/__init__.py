"""Groups of endpoints, one module each; every module offers a ``router``."""
