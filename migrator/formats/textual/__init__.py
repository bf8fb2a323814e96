"""Protobuf's text format, read as a stream: the same skeletons that the wire format gives.

Source of the format: protobuf's public text format specification.
"""
