"""A frozen GraphDef out of a TensorFlow 2 model: what is in the way, how it ends up, its record."""
