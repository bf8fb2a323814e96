"""A model's graphs as files that other programs open, made in parts: nothing is held whole."""
