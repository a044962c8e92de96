"""What the city map is: layer definitions, the versioned store, its queries and access."""
