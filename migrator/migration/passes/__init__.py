"""Rewrites of a graph, each a pure function from Graph to Graph and the steps that it took.

Every pass has the form ``rewrite(graph, given, keep) -> (Graph, steps)``: ``given`` are the tensors
that come from outside (inputs and weights; no node makes them), by full name; ``keep`` are the
tensors that must still be there under their names.
"""
