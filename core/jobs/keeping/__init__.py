"""How long what jobs leave is kept, and how it goes."""
