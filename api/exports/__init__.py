"""File formats that layers are exported as, one module each; every module offers an ``EXPORT``."""
