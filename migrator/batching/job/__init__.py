"""One model: through its steps, into a folder of its own, with whatever became of it."""
