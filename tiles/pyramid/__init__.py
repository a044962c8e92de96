"""Building the pyramid: generalised rows, cell by cell, and only where the layer changed."""
