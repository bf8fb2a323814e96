"""Warnings: what bends a migration, and what its user should know of."""
