"""Slots of a Dask cluster as an executor: the same tasks, done by its workers."""
