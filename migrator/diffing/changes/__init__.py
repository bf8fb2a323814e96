"""What became of each pair: nodes, attributes, signatures, functions."""
