"""The migrations, one file a step, applied in order."""
