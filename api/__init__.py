"""The HTTP service of the city map."""
