"""Shapes without TensorFlow."""
