"""Names that TensorFlow gives to files."""

SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
"""What a SavedModel's folder holds it in; of both the first is read, as TensorFlow does it."""
CHUNKED_SAVED_MODEL = "saved_model.cpb"
"""The same in chunks, which is not read."""
