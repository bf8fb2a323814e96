"""A TFLite file out of any source: its options, its shapes, its record. Pure data and words."""
