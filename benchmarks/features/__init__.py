"""Features over HTTP compared with the peers': ``python -m benchmarks.features``."""
