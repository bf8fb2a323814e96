"""What is in a model: counts, sizes, signatures, and which tensors are its endpoints."""
