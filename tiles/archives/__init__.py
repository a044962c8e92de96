"""PMTiles 3 archives: many tiles in one file (https://github.com/protomaps/PMTiles, spec v3)."""
