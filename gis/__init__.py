"""Coordinates, geometry and time: pure functions, no I/O, no clock, no environment."""
