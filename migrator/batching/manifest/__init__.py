"""Manifests: which models a batch takes and how, read with all faults told, and written."""
