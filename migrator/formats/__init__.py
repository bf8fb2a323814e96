"""Bytes to ``Model``: telling formats apart, reading them lazily, writing a GraphDef back."""
