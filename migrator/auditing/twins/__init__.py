"""Models of a tree that are nearly each other."""
