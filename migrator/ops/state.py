"""The ops that stand for a variable, and which variable they mean."""

from __future__ import annotations

from migrator.model.graph import Node

REFERENCE_VARIABLES = frozenset(("Variable", "VariableV2"))
"""Those of TensorFlow 1 that give a reference, and not a handle."""
VARIABLE_OPS = REFERENCE_VARIABLES | {"VarHandleOp", "AutoReloadVariable"}
ASSIGN_OPS = frozenset(("Assign", "AssignVariableOp"))


def shared_name(node: Node) -> str:
    """What the resource of a variable's node is called; empty where that is the node's name."""
    shared = node.attrs.get("shared_name")
    return shared.decode("utf-8", "replace") if isinstance(shared, bytes) else ""


def variable_name(node: Node) -> str:
    """What names a variable: one resource may have several handles, of one ``shared_name``."""
    return shared_name(node) or node.name
