"""Health: what is broken or wasteful in a model and its files."""
