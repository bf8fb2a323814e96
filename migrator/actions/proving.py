"""What a migration is held against: the sides of its proof, for every signature and stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from migrator.actions.faces import Face, signature_face, write_subgraph
from migrator.actions.originals import Original
from migrator.actions.payload import Payload
from migrator.formats.encode import write_graph
from migrator.migration.plan import IMAGES, Plan, SignaturePlan, Subgraph
from migrator.migration.storage.weights import liftable
from migrator.migration.subgraph import constant_bytes
from migrator.verification.sides import GRAPH_DEF, SavedModelSide, Side

LARGE = 256 << 20
"""Bytes of constants from which on the original gets them as variables too: a session on
constants takes a dozen times their memory, and far longer than the migration."""
SMALL = 64 << 20
"""Bytes of weights up to which the stages of a proof run at once."""
CONSTANTS_KEPT = "constants kept"
BY_LOADER = {"tf2": "saved, tf.saved_model.load", "tf1": "saved, v1 loader"}


class Proving:
    """The original's faces, and the stages that the result goes through."""

    def __init__(self, original: Original, plan: Plan, payload: Payload, work: Path) -> None:
        self._original = original
        self._model = original.model
        self._plan = plan
        self._payload = payload
        self._work = work
        self._is_graph = plan.source.kind == GRAPH_DEF
        self._large = constant_bytes(plan.graph) > LARGE

    @property
    def small(self) -> bool:
        """True where several processes may hold the model at once."""
        held = sum(item.value.nbytes for item in self._plan.held if item.value is not None)
        return held + constant_bytes(self._plan.graph) < SMALL

    def faces(self) -> Mapping[str, Face]:
        """The original by signature."""
        if self._is_graph and self._large:
            return self._faces_with_variables()
        found = {}
        for index, item in enumerate(self._plan.signatures):
            fallback = self._planned_graph(item, index)
            face = signature_face(self._model, self._plan, item, fallback=fallback)
            side = self._original.side(item)
            found[item.key] = face if side is None else replace(face, side=side)
        return found

    def _planned_graph(self, signature: SignaturePlan, index: int) -> Path | None:
        if not self._is_graph:
            return None
        subgraph = signature.unlifted or signature.subgraph
        return write_subgraph(subgraph, self._work / f"planned-{index}.pb")

    def _faces_with_variables(self) -> Mapping[str, Face]:
        """The whole original, but for its large constants, which come from variables."""
        graph = self._plan.graph
        weights = liftable(graph, ())
        lifted = {item.node for item in weights}
        file = self._work / "original.pb"
        with file.open("wb") as target:
            nodes = (node for node in graph.nodes if node.name not in lifted)
            write_graph(target, nodes, graph.functions.values(), graph.versions)
        rows = [{**self._payload.weight(item), "tensor": f"{item.node}:0"} for item in weights]
        return {
            item.key: signature_face(self._model, self._plan, item, path=file, stand_ins=rows)
            for item in self._plan.signatures
        }

    def fallback(self) -> Callable[[str], Side] | None:
        """What is run where the original does not load: the planned graph, from our reading."""
        if self._is_graph and not self._large:
            return None  # it has one of its own
        by_key = {item.key: item for item in self._plan.signatures}
        return lambda key: self._payload.planned_side(by_key[key], by_key[key].subgraph)

    def stages(self, made: Path) -> Mapping[str, Mapping[str, Side]]:
        """Stage -> signature -> side: first with the constants kept, then what was saved."""
        stages: dict[str, Mapping[str, Side]] = {}
        unlifted: dict[str, tuple[SignaturePlan, Subgraph]] = {
            item.key: (item, item.unlifted)
            for item in self._plan.signatures
            if item.unlifted is not None
        }
        if unlifted and not self._large:
            stages[CONSTANTS_KEPT] = {
                key: self._payload.planned_side(*pair) for key, pair in unlifted.items()
            }
        for loader, name in BY_LOADER.items():
            stages[name] = {
                item.key: saved_side(item, made, loader) for item in self._plan.signatures
            }
        return stages

    def pictures(
        self, made: Path
    ) -> Mapping[str, tuple[SavedModelSide, SavedModelSide, Mapping[str, str]]]:
        """Signatures that take pixels, those that take pictures, and which inputs that are."""
        found = {}
        for item in self._plan.signatures:
            if item.decode_images:
                plain = saved_side(item, made, "tf2")
                encoded = replace(plain, signature=f"{item.key}{IMAGES}")
                found[item.key] = (plain, encoded, item.decode_images)
        return found


def saved_side(signature: SignaturePlan, made: Path, loader: str) -> SavedModelSide:
    """A signature of a migration's result in folder ``made``."""
    return SavedModelSide(
        path=str(made),
        signature=signature.key,
        inputs={item.name: item.name for item in signature.inputs},
        outputs={item.name: item.name for item in signature.outputs},
        tags=("serve",),
        loaders=(loader,),
    )
