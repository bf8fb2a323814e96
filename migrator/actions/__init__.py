"""What runs TensorFlow: each action composes planning, child processes and verification."""
