"""Weights by value: read in parts and compared."""
