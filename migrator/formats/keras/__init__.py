"""Keras files (.h5, .keras): what they say of a model, its layers as a graph, its weights."""
