"""Places: archives, addresses, limits."""
