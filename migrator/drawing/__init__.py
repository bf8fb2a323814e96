"""A model's graph, or two laid out together, as a scene that a page can draw piece by piece.

cells (what is in it) -> folding -> tree of scopes -> levels -> layers -> scene. Pure data, no
TensorFlow; the layers' order comes from igraph, positions are worked out where it is drawn.
"""
