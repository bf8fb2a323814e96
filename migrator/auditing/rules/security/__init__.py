"""Security: what a model does outside of its graph, and what it hides."""
