"""A side as what it computes: followed through calls and loops, walked in step with another."""
