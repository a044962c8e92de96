"""A synthetic Xianning: terrain, streets, parcels and everything a city map needs, by seed."""
