"""Blockers: what stops the planned migration, and the same trouble outside of it."""
