"""A run: from sources to tasks, from tasks to outcomes, and what is told of them."""
