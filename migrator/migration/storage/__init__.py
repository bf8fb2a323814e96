"""What a model keeps outside of its graph: variables, tables, files; found, and bound to it."""
