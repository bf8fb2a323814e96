"""What a model keeps outside of its graph (variables, tables, files), bound to the graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from migrator.errors import MigratorError
from migrator.migration.fold import fold_switches
from migrator.migration.obstacles import find_blockers
from migrator.migration.passes.references import drop_references
from migrator.migration.plan import Blocker, Endpoint, Step, Subgraph, Table, Weight
from migrator.migration.randomness import random_outputs
from migrator.migration.storage.tables import TableStore, table_nodes, take_tables
from migrator.migration.storage.variables import (
    VariableStore,
    inline_values,
    take_handles,
    variable_nodes,
)
from migrator.migration.storage.weights import lift, liftable
from migrator.migration.subgraph import as_subgraph, prune, with_nodes
from migrator.model.graph import Graph
from migrator.model.model import Asset
from migrator.model.tensors import UNKNOWN_SHAPE, TensorRef
from migrator.ops.state import VARIABLE_OPS

_IS_INITIALISED = frozenset(("IsVariableInitialized", "VarIsInitializedOp"))


_COMPARED = 16 << 20
"""Values up to so many bytes are compared, to tell whether two weights are one."""


def _same(one: Weight, other: Weight) -> bool:
    if (one.variable or one.node) != (other.variable or other.node):
        return False
    if one.computed != other.computed:
        return False
    left, right = one.value, other.value
    if left is right or left is None or right is None:
        return left is right
    if (left.dtype, left.shape) != (right.dtype, right.shape):
        return False
    try:
        places = left.place(), right.place()
        if places[0] is not None and places[1] is not None and places[0].is_same(places[1]):
            return True
        if left.nbytes > _COMPARED:
            return False
        a, b = left.numpy(), right.numpy()
    except MigratorError:
        return True  # ``check_values`` tells of what cannot be read
    return bool(a.tobytes() == b.tobytes()) if left.dtype.kind != "s" else bool((a == b).all())


class Storage:
    """Gathers what the signatures of one result share, each thing once."""

    def __init__(
        self,
        *,
        variables: VariableStore,
        tables: TableStore,
        assets: Iterable[Asset],
        checkpoint: str = "",
    ) -> None:
        self.checkpoint = checkpoint
        self._variables = variables
        self._tables = tables
        self._assets = {TensorRef.parse(item.tensor).node: item.filename for item in assets}
        self.weights: dict[str, Weight] = {}
        self.tables: dict[str, Table] = {}
        self.files: dict[str, Path] = {}
        self.blockers: list[Blocker] = []
        self.bound: set[str] = set()
        """Nodes that stand for a variable or a table that is filled."""
        self._lifted = 0
        self._inlined: dict[str, Weight] = {}
        self._stayed = 0

    def checkpoint_keys(self) -> tuple[str, ...]:
        """Keys of the checkpoint that variables and tables are filled from."""
        return tuple(sorted(self._variables.keys | self._tables.keys))

    def has_variables(self, graph: Graph) -> bool:
        return bool(variable_nodes(graph))

    def bind(
        self, graph: Graph, keep: Collection[str], *, lift_constants: bool, inline: bool
    ) -> Subgraph:
        """Take variables, tables and files out of ``graph``; what has no value is a blocker."""
        weights = self._find_weights(graph)
        if inline and weights:
            graph, weights = inline_values(graph, weights)
            self._stayed = max(self._stayed, len(weights))
        taken = take_handles(graph, weights)
        graph, tables = self._take_tables(taken.graph)
        graph, assets = self._take_assets(graph)
        values: Mapping[str, str] = {}
        if lift_constants:
            constants = liftable(graph, keep, self._inlined)
            self._lifted = max(self._lifted, len(constants))
            lifted = lift(graph, constants)
            graph, values = lifted.graph, lifted.values
            weights = [*weights, *constants]
        own = {weight.node: self._hold(weight) for weight in weights}
        return as_subgraph(
            graph,
            weights={tensor: own[TensorRef.parse(tensor).node] for tensor in values},
            handles={tensor: own[TensorRef.parse(tensor).node] for tensor in taken.handles},
            tables=tables,
            assets=assets,
        )

    def _hold(self, weight: Weight) -> str:
        """Keep the weight under a name of its own; the same one is kept once."""
        name, number = weight.name, 1
        while (held := self.weights.get(name)) is not None and not _same(held, weight):
            name = f"{weight.name}_{number}"
            number += 1
        if held is None:
            self.weights[name] = replace(weight, name=name)
        return name

    def with_values(self, graph: Graph) -> Graph:
        """``graph`` with constants in the place of its variables, as far as that can be."""
        weights = self._find_weights(graph)
        self._inlined |= {weight.node: weight for weight in weights}
        return inline_values(graph, weights)[0]

    def _find_weights(self, graph: Graph) -> list[Weight]:
        found = []
        for node in variable_nodes(graph):
            weight = self._variables.weight(node)
            self.bound.add(node.name)
            if isinstance(weight, Blocker):
                self.blockers.append(weight)
            else:
                found.append(weight)
        return found

    def _take_tables(self, graph: Graph) -> tuple[Graph, Mapping[str, str]]:
        found = []
        for node in table_nodes(graph):
            table = self._tables.table(node)
            self.bound.add(node.name)
            if isinstance(table, Blocker):
                self.blockers.append(table)
            else:
                found.append(table)
                self.tables.setdefault(table.name, table)
        return take_tables(graph, found)

    def _take_assets(self, graph: Graph) -> tuple[Graph, Mapping[str, str]]:
        """Constants that hold the path of a file of the model: it moves along."""
        found: dict[str, str] = {}
        for node in graph.nodes:
            name = self._assets.get(node.name) if node.op == "Const" else None
            if name is None:
                continue
            file = self._tables.asset(name)
            if isinstance(file, str):
                self.blockers.append(
                    Blocker(
                        code="asset_missing",
                        text=f"the graph reads a file that is not there: {file}",
                        node=node.name,
                        fix="put it there, or name an --output that does not need it",
                    )
                )
                continue
            self.files[name] = file
            found[f"{node.name}:0"] = name
        nodes = tuple(node for node in graph.nodes if f"{node.name}:0" not in found)
        return with_nodes(graph, nodes), found

    def computed(self) -> list[str]:
        """Tensors of the source that must be computed for variables and tables."""
        found = [weight.computed for weight in self.weights.values()]
        for table in self.tables.values():
            found += [item for item in (table.keys, table.values) if isinstance(item, str)]
        return list(dict.fromkeys(filter(None, found)))

    def initial(self, source: Graph) -> Subgraph | None:
        """The part of the source that computes these; what cannot be had is a blocker."""
        wanted = self.computed()
        if not wanted:
            return None
        graph = self._restored_first(prune(source, wanted, ()))
        graph = prune(graph, wanted, ())
        ends = [
            Endpoint(name=item, tensor=item, dtype=None, shape=UNKNOWN_SHAPE) for item in wanted
        ]
        random = random_outputs(graph, ends)
        for tensor in sorted(random):
            self.blockers.append(
                Blocker(
                    code="variable_missing",
                    text=f"{tensor}, a value that the model starts with, is drawn at random",
                    node=TensorRef.parse(tensor).node,
                    fix="get the checkpoint that holds it",
                )
            )
        graph, _ = drop_references(graph, {}, wanted)
        graph = prune(graph, wanted, ())
        before = set(self.weights)
        bound = self.bind(graph, wanted, lift_constants=False, inline=False)
        self.blockers += find_blockers(as_subgraph(graph), (), (), bound=self.bound)
        late = {self.weights[name].computed for name in set(self.weights) - before} - {""}
        if late or any(self.weights[name].computed for name in bound.handles.values()):
            self.blockers.append(
                Blocker(
                    code="variable_missing",
                    text="a value that the model starts with depends on another such value",
                    node="",
                    fix="get a checkpoint that holds both",
                )
            )
        return bound

    def _restored_first(self, graph: Graph) -> Graph:
        """Without the branches for variables that are not restored yet: by now they are."""
        held = {weight.variable or weight.node for weight in self.weights.values()}
        for node in graph.nodes:
            if node.op in VARIABLE_OPS and node.name not in held:
                weight = self._variables.weight(node)
                if not isinstance(weight, Blocker):
                    held.add(node.name)
        known = {
            node.name: True
            for node in graph.nodes
            if node.op in _IS_INITIALISED and node.data_refs and node.data_refs[0].node in held
        }
        folded = fold_switches(graph, known) if known else None
        if folded is None or not folded.switches:
            return graph
        return with_nodes(graph, folded.nodes)

    def check_values(self) -> None:
        """Make a blocker of each file of the checkpoint that is not there, or too short."""
        first: dict[str, tuple[Weight, MigratorError]] = {}
        others: Counter[str] = Counter()
        for weight in self.weights.values():
            try:
                if weight.value is not None:
                    weight.value.place()
            except MigratorError as error:
                if error.where in first:
                    others[error.where] += 1
                first.setdefault(error.where, (weight, error))
        for where, (weight, problem) in first.items():
            more = f" (nor can {others[where]} more)" if others[where] else ""
            self.blockers.append(
                Blocker(
                    code="checkpoint_damaged",
                    text=f"the value of the variable {weight.name!r} cannot be read{more}: "
                    f"{where}: {problem.what}",
                    node=weight.node,
                    fix="get the whole checkpoint: its .index and every .data file",
                )
            )

    def steps(self) -> list[Step]:
        """What was taken out of the graph, and in what form it will be in the result."""
        rows = (
            ("lift_weights", "weights become variables, named as their constants", self._lifted),
            (
                "keep_variables",
                "variables are filled from the checkpoint",
                len(self.weights) - self._lifted,
            ),
            ("compute_initial", "values are computed as loading would have", len(self.computed())),
            ("rebuild_tables", "lookup tables are filled anew, in the result", len(self.tables)),
            ("copy_assets", "files that the graph reads move along", len(self.files)),
        )
        return [Step(code=code, text=text, count=count) for code, text, count in rows if count > 0]

    def notes(self) -> list[str]:
        if not self._stayed:
            return []
        return [
            f"{self._stayed} weights stay variables although constants were asked for: functions "
            "of the model hold their handles"
        ]
