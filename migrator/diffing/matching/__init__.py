"""Which node of one graph is which of another: the search, its stages, and what they work on."""
