"""Weights in files of their own: ``.npz`` and ``.safetensors``."""
