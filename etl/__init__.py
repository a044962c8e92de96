"""Extract, transform, load: from survey files to staged rows of the city map."""
