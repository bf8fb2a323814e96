"""Models and their differences as the JSON files that Model Explorer opens: graphs, the mapping
between two of them, and data that colours nodes."""
