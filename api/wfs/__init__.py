"""WFS 2.0 (OGC 09-025r2, ISO 19142), read only, for desktop GIS that speaks nothing newer."""
