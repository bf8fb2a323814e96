"""TFLite files: FlatBuffers to ``Model``, read by windows, every offset checked before use."""
