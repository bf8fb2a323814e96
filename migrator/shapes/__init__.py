"""Shapes of a graph's tensors, worked out from its ops, without TensorFlow.

What is not known is unknown, never a guess. ``propagate`` is the way in; a rule for each op is in
``rules``, one module a family.
"""
