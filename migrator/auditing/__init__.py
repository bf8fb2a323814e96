"""The audit: what blocks or bends a migration, what is dangerous, what is wasteful.

A rule looks at a ``Subject`` (one source with everything in it) and yields ``Issue``s; the engine
makes them ``Finding``s. Nothing here imports TensorFlow or runs a graph.
"""
