"""Maps out: tiles, styles, legends and sprites of the city map, as plain values."""
