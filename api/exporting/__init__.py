"""What the formats of exports share: their protocol, the rows they get, and ways to write them."""
