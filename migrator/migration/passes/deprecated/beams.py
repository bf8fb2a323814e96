"""GatherTree, the last step of a beam search by ``tf.contrib.seq2seq``, as a functional loop.

From the last step to the first, each beam follows its parents; then everything behind the first
end token of a beam becomes end tokens. Source: the op's documentation in TensorFlow 1.15.
"""

from __future__ import annotations

from migrator.migration.passes.deprecated.maths import inputs_of
from migrator.migration.passes.draft import Draft, Unfit, dtype_of
from migrator.model.dtypes import BOOL, INT32, VARIANT, DType
from migrator.model.graph import Function, FunctionRef, Node
from migrator.model.tensors import SCALAR, UNKNOWN_SHAPE, Shape, TensorSpec

_STATE: tuple[tuple[str, DType, Shape], ...] = (
    ("time", INT32, SCALAR),
    ("parents", INT32, Shape((None, None))),
    ("beams", VARIANT, SCALAR),
    ("step_ids", INT32, Shape((None, None, None))),
    ("parent_ids", INT32, Shape((None, None, None))),
    ("lengths", INT32, Shape((None,))),
    ("end_token", INT32, SCALAR),
)
"""What the loop hands from step to step; the last four never change."""


def gather_tree(node: Node, draft: Draft) -> None:
    """[T, B, K] steps and parents, [B] lengths -> [T, B, K] beams."""
    steps, parents, lengths, end = inputs_of(node, 4)
    if dtype_of(node) != INT32:
        raise Unfit(node.name)
    shape = draft.op("Shape", steps, label="shape", T=INT32, out_type=INT32)
    size, batch, width = draft.ops("Unpack", shape, ports=3, label="sizes", T=INT32, num=3, axis=0)
    zero, one = draft.const(0, INT32, "zero"), draft.const(1, INT32, "one")
    numbers = draft.op("Range", zero, width, one, label="numbers", Tidx=INT32)
    matrix = draft.op("Pack", batch, width, label="matrix", N=2, T=INT32, axis=0)
    own = draft.op("BroadcastTo", numbers, matrix, label="own", T=INT32, Tidx=INT32)
    beams = draft.op(
        "TensorListReserve", matrix, size, label="beams", element_dtype=INT32, shape_type=INT32
    )
    last = draft.op("Sub", size, one, label="last", T=INT32)
    condition, body = _condition(draft), _body(draft)
    draft.functions += [condition, body]
    looped = draft.ops(
        "StatelessWhile", last, own, beams, steps, parents, lengths, end,
        ports=3, label="loop",
        T=[dtype for _, dtype, _ in _STATE],
        cond=FunctionRef(name=condition.name),
        body=FunctionRef(name=body.name),
        output_shapes=[shape for _, _, shape in _STATE],
        parallel_iterations=10,
    )  # fmt: skip
    stacked = draft.op(
        "TensorListStack", looped[2], matrix, label="stacked", element_dtype=INT32, num_elements=-1
    )
    ended = draft.op("Equal", stacked, end, label="ended", T=INT32, incompatible_shape_error=True)
    count = draft.op("Cast", ended, label="count", SrcT=BOOL, DstT=INT32)
    before = draft.op(
        "Cumsum", count, zero, label="before", T=INT32, Tidx=INT32, exclusive=True, reverse=False
    )
    behind = draft.op("Greater", before, zero, label="behind", T=INT32)
    draft.finish("SelectV2", behind, end, stacked, T=INT32)


def _inner() -> Draft:
    draft = Draft({name for name, _, _ in _STATE}, body=True)
    draft.start(Node("at", "", (), "", {}))
    return draft


def _condition(outer: Draft) -> Function:
    draft = _inner()
    zero = draft.const(0, INT32, "zero")
    more = draft.op("GreaterEqual", "time", zero, label="more", T=INT32)
    return _function(outer.function_name("gather_tree_more"), draft, {"more": more}, {"more": BOOL})


def _body(outer: Draft) -> Function:
    draft = _inner()
    zero, one = draft.const(0, INT32, "zero"), draft.const(1, INT32, "one")

    def row(of: str) -> str:
        found = draft.op(
            "GatherV2", of, "time", zero, Tparams=INT32, Tindices=INT32, Taxis=INT32, batch_dims=0
        )
        return draft.op(
            "GatherV2", found, "parents", one,
            Tparams=INT32, Tindices=INT32, Taxis=INT32, batch_dims=1,
        )  # fmt: skip

    running = draft.op("Less", "time", "lengths", label="running", T=INT32)
    running = draft.op("ExpandDims", running, one, label="column", T=BOOL, Tdim=INT32)
    chosen = draft.op("SelectV2", running, row("step_ids"), "end_token", label="chosen", T=INT32)
    follow = draft.op("SelectV2", running, row("parent_ids"), "parents", label="follow", T=INT32)
    beams = draft.op(
        "TensorListSetItem", "beams", "time", chosen, label="set",
        element_dtype=INT32, resize_if_index_out_of_bounds=False,
    )  # fmt: skip
    time = draft.op("Sub", "time", one, label="previous", T=INT32)
    returned = dict(
        zip(
            (f"{name}_out" for name, _, _ in _STATE),
            (time, follow, beams, "step_ids", "parent_ids", "lengths", "end_token"),
            strict=True,
        )
    )
    types = {f"{name}_out": dtype for name, dtype, _ in _STATE}
    return _function(outer.function_name("gather_tree_step"), draft, returned, types)


def _function(
    name: str, draft: Draft, returns: dict[str, str], types: dict[str, DType]
) -> Function:
    return Function(
        name=name,
        nodes=tuple(draft.made),
        inputs=tuple(
            TensorSpec(tensor=key, dtype=dtype, shape=UNKNOWN_SHAPE) for key, dtype, _ in _STATE
        ),
        outputs=tuple(
            TensorSpec(tensor=key, dtype=dtype, shape=UNKNOWN_SHAPE) for key, dtype in types.items()
        ),
        returns=returns,
        control_returns={},
        attrs={},
    )
