"""What a model is, whatever format it came in. Knows no format and no TensorFlow."""
