"""The rooms of the benchmark, see ../bench.py."""
