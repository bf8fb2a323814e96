"""What nodes are told by strings: where those come from, and what they say."""
