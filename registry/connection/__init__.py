"""How the registry's database is reached."""
