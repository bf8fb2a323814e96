"""How two models differ: which node is which, through renames, and what changed.

``matching`` pairs the nodes of two graphs, ``changes`` tells what became of each pair, ``compare``
puts a whole result together. Nothing here imports TensorFlow, runs a graph or draws.
"""
