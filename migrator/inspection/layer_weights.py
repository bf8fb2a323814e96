"""Which of the weights that lie beside a graph are a layer's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrator.model.graph import Node
from migrator.model.model import Model

_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
"""Groups of a numbered Keras file whose members are layers."""


def own_names(model: Model, node: Node, function: str = "") -> Iterator[str]:
    """The names of a node's weights; ``function`` is whose body it is in.

    A Keras file may say in which layer a weight lies; of the others the name does.
    """
    layer = _layer_name(node)
    path = f"{function}/{layer}" if function else layer
    owners = _owners(model)
    for name in model.variables:
        owner = owners.get(name)
        # What is said to be a model's, inside of the model, is of its layers by name.
        if _is_under(name if owner is None else f"{owner}/{name}", path):
            yield name


def is_called_again(node: Node) -> bool:
    """Whether a node is a further call of a layer that has a node for its first one."""
    name, _, number = node.name.rpartition("/call_")
    if not name or not number.isdecimal():  # the attributes of most nodes are better left unread
        return False
    call = node.attrs.get("call")
    return isinstance(call, int) and str(call) == number


def scope_name(model: Model, name: str) -> str:
    """A weight's name under the layer that it is of: ``conv/kernel`` of ``conv_1/kernel``, and
    ``conv/vars/0`` of ``layers/conv2d_4/vars/0``."""
    owner = _owners(model).get(name)
    if owner is None:
        return name
    parts = name.split("/")
    called = owner.rpartition("/")[2]
    own = [number for number in range(len(parts) - 1) if _is_layer(parts, number, called)]
    return "/".join((owner, *parts[own[-1] + 1 if own else 0 :]))


def _is_layer(parts: list[str], number: int, called: str) -> bool:
    """Whether a part of a weight's name stands for its layer: a group of a numbered file, or the
    layer's name, which Keras may have made another one of (``conv_1``)."""
    if "vars" in parts:
        return number > 0 and parts[number - 1] in _CONTAINERS
    again = parts[number].removeprefix(f"{called}_")
    return parts[number] == called or (again != parts[number] and again.isdecimal())


def _owners(model: Model) -> Mapping[str, str]:
    return model.keras.owners if model.keras is not None else {}


def _layer_name(node: Node) -> str:
    """The name of the layer that a node calls: it may be another than the first call."""
    return node.name.rpartition("/call_")[0] if is_called_again(node) else node.name


def _is_under(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/")
