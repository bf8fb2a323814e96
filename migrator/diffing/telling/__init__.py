"""What a person is told of all changes: why nodes came or went, and ten seconds' worth."""
