"""What the classic services, WFS and WMTS, have in common (OWS Common 1.1, OGC 06-121r9)."""
