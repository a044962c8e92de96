"""Pictures of tiles, drawn from vector tiles by a map's style."""
