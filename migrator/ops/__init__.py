"""Facts about TensorFlow's ops, kept as data so that nobody needs TensorFlow to know them."""
