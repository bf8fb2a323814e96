"""A model's graphs as something to walk on: compact wiring for ourselves, networkx for everyone."""
