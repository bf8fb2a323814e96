"""Fuzzing that follows what the parsers do with each input: one target for each parser.

    python -m tests.fuzz.guided graph_def --seconds 600

runs one until something else than a MigratorError comes out, and then says how to see it again.
"""
