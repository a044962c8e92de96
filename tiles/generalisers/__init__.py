"""Methods of generalisation, one module each; every module offers a ``GENERALISER``."""
