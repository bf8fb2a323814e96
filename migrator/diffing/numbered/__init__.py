"""One graph as numbers that can be compared: labels, what constants hold, flat lists, hashes."""
