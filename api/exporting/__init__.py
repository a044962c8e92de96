"""How features leave as files: rows go from the database through a process that writes them."""
