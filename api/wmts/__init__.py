"""WMTS 1.0 (OGC 07-057r7): maps and layers as pictures and vector tiles for desktop GIS."""
