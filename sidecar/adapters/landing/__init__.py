"""How the application learns who is there: the landings."""
