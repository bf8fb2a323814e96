"""Plan a migration without TensorFlow, then have it done and verified."""
