"""Baking: all tiles of a map, or those that changed, made beforehand."""
