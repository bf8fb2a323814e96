"""The audit: what blocks or bends a migration, what is dangerous, what is wasteful.

``discovery`` finds the models in what was asked for, ``opening`` makes each a ``Subject``, the
``rules`` look at it and yield ``Issue``s, the ``engine`` makes them ``Finding``s, ``twins``
compares the models, ``policy`` says which rules run, what fails and what is known already. A
subject draws on ``contents`` (what one model holds), ``callgraph`` (what of it runs) and
``strings`` (what its nodes are told); ``facts`` are what is known whatever the model. Nothing here
imports TensorFlow or runs a graph.
"""
