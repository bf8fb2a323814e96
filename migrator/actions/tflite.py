"""``tflite``: a model of any format through a SavedModel to a TFLite file, proven."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from migrator.actions.tflite_proof import InterpreterError, TFLiteCheck, TFLiteProof
from migrator.actions.tflite_source import Call, Prepared, Progress, as_saved_model
from migrator.arrays import save_arrays
from migrator.errors import UsageError, WorkerError
from migrator.files import exists, folder_beside, is_taken, put_in_place
from migrator.formats.staging import named, takes_packed
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.options import Choice
from migrator.migration.tflite.options import TFLiteOptions
from migrator.migration.tflite.record import (
    CONVERTED,
    CONVERTED_UNVERIFIED,
    FAILED,
    INT8,
    NONE,
    Quantization,
    Scale,
    TFLiteOps,
    TFLiteRecord,
    TFLiteSignature,
    TFLiteTensor,
)
from migrator.migration.tflite.story import Attempt, conversion_notes, conversion_steps
from migrator.model.tensors import Shape
from migrator.runtime.client import Child, ChildLimits, require_tensorflow
from migrator.verification.judge import merge_signatures
from migrator.verification.representative import Samples, read_samples
from migrator.verification.result import MISMATCH, NOT_RUN, Verification, not_run
from migrator.verification.tflite_side import TFLiteSide


@takes_packed
def tflite(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    feeds: Sequence[str] = (),
    choice: Choice | None = None,
    quantize: str = NONE,
    data: str | os.PathLike[str] | None = None,
    integer_io: bool = False,
    builtin_only: bool = False,
    custom_ops: bool = False,
    overwrite: bool = False,
    verify: bool = True,
    keep_mismatch: bool = False,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    range_tolerance: float | None = None,
    seed: int = 0,
    timeout: float | None = 600.0,
    memory_limit: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> TFLiteRecord:
    """Convert ``source`` to the TFLite file ``dest``, and run both on the same inputs.

    ``quantize``: ``none``, ``dynamic``, ``float16`` or ``int8``, the last calibrated on the rows
    of ``data`` (an .npz with one array to an input). Built-in ops are tried first; where some have
    no kernel there, TensorFlow's own (select ops), unless ``builtin_only``. ``inputs``,
    ``outputs``, ``feeds`` and ``choice`` as for ``plan``; without signatures all are converted.
    Floats must agree within ``rtol`` and ``atol``, fewer bits within ``range_tolerance`` of each
    output's range. ``dest`` appears whole, after verification, or not at all; with
    ``keep_mismatch`` also when the two differ. What the interpreter here cannot run (select ops)
    is put in place as ``converted_unverified``.

    Raises UsageError, NeedsDecision, BlockedError, DestinationError, WorkerError (TensorFlow died
    or refused the SavedModel), TensorFlowMissing, and what ``load`` raises. A refusal of the
    converter, a mismatch and a crash of the interpreter are outcomes: see ``TFLiteRecord``.
    """
    start = time.monotonic()
    tell = progress or (lambda _: None)
    options = TFLiteOptions(
        quantize=quantize,
        data=None if data is None else os.fspath(data),
        integer_io=integer_io,
        builtin_only=builtin_only,
        custom_ops=custom_ops,
        rtol=rtol,
        atol=atol,
        range_tolerance=range_tolerance,
        seed=seed,
    )
    target = Path(dest)
    _check_destination(target, Path(source), overwrite=overwrite)
    asked = choice or Choice()
    asked = replace(
        asked,
        inputs=inputs or asked.inputs,
        outputs=outputs or asked.outputs,
        feeds=feeds or asked.feeds,
    )
    child_limits = ChildLimits(
        timeout=timeout, memory=memory_limit, op_libraries=tuple(asked.op_libraries)
    )
    with folder_beside(target) as work:
        prepared = as_saved_model(source, work, asked, child_limits, limits, tell)
        require_tensorflow()
        made = work / "model.tflite"
        job = _Job(prepared, options, made, work, child_limits, tell)
        record = job.record(target, verify=verify, keep_mismatch=keep_mismatch, start=start)
        if record.dest:
            put_in_place(made, target, overwrite=overwrite)
    return record


_NO_KERNEL = ("Select TensorFlow op(s)", "unresolved custom op")
"""What TFLite's interpreter says of ops that it does not know."""


class _Job:
    """One conversion: the reference runs while the converter works."""

    def __init__(
        self,
        prepared: Prepared,
        options: TFLiteOptions,
        made: Path,
        work: Path,
        limits: ChildLimits,
        tell: Progress,
    ) -> None:
        self._prepared = prepared
        self._options = options
        self._made = made
        self._work = work
        self._limits = limits
        self._tell = tell
        self._peak = prepared.peak_rss_bytes
        self._versions: Mapping[str, str] = {}
        self._samples = self._read_samples()
        self._check = TFLiteCheck(
            rtol=options.rtol, atol=options.atol, share=options.share, seed=options.seed
        )

    def _read_samples(self) -> Samples | None:
        data = self._options.data
        if data is None:
            return None
        calls = self._prepared.calls
        if len(calls) > 1:
            raise UsageError(
                f"--data fits one signature, and {len(calls)} are converted",
                hint="choose one with --signature",
            )
        return read_samples(data, calls[0].face.inputs)

    def record(
        self, target: Path, *, verify: bool, keep_mismatch: bool, start: float
    ) -> TFLiteRecord:
        """Convert and verify. Raises WorkerError where TensorFlow refuses the SavedModel."""
        with ExitStack() as stack:
            proofs: dict[str, TFLiteProof] = {}
            if verify:  # the original runs beside the converter
                first = self._prepared.calls[0]
                proofs[first.signature] = stack.enter_context(self._proof(first))
            self._tell("converting")
            attempt = self._convert()
            found, reason = not_run("not asked for (--no-verify)"), ""
            if not attempt.converted:
                refused = "; ".join(dict.fromkeys(attempt.refusals.values()))
                reason = f"the converter refuses it: {refused}"
                found = not_run("there is no result")
            elif verify and (why := self._cannot_run(attempt.ops)):
                found = not_run(why)
            elif verify:
                self._tell("verifying")
                attempt, found, reason = self._proven(attempt, proofs, stack)
        unproven = found.verdict == NOT_RUN
        placed = attempt.converted and (not reason or (keep_mismatch and found.verdict == MISMATCH))
        return TFLiteRecord(
            outcome=FAILED if reason else CONVERTED_UNVERIFIED if unproven else CONVERTED,
            reason=reason,
            source=named(self._prepared.source),
            dest=str(target) if placed else "",
            bytes=self._made.stat().st_size if attempt.converted else 0,
            quantization=self._quantization(attempt),
            ops=attempt.ops,
            signatures=self._signatures(attempt) if attempt.converted else {},
            feeds=self._prepared.feeds,
            steps=(*self._prepared.steps, *conversion_steps(attempt, self._options)),
            notes=(
                *self._prepared.notes,
                *conversion_notes(attempt, self._options, unproven=unproven),
            ),
            verification=found,
            seconds=round(time.monotonic() - start, 3),
            peak_rss_bytes=self._peak,
            versions=self._versions,
        )

    def _proof(self, call: Call) -> TFLiteProof:
        return TFLiteProof(call.face, self._check, self._samples, self._work, self._limits)

    def _proven(
        self, attempt: Attempt, proofs: dict[str, TFLiteProof], stack: ExitStack
    ) -> tuple[Attempt, Verification, str]:
        """The result, the verdict on it, and why it is a failure.

        The converter fuses an activation into a product of two computed matrices and then loses
        it (seen with 2.21). Unfolded, these products become another op, which keeps it: so a
        mismatch with such an op gets a second try.
        """
        try:
            found = self._verify(proofs, stack)
            if _lacks_kernels(found, attempt.ops):  # met only when the op's turn came
                return attempt, not_run(f"the interpreter here cannot run it: {found.reason}"), ""
            if found.verdict == MISMATCH and "BATCH_MATMUL" in attempt.ops.builtin:
                first = self._made.rename(self._made.with_suffix(".first"))
                again = self._convert((attempt.kernels,), unfold=True)
                second = self._verify(proofs, stack) if again.converted else found
                if second.passed:
                    return replace(again, refusals=attempt.refusals), second, ""
                first.replace(self._made)
        except InterpreterError as error:
            return attempt, not_run(error.what), error.what
        reason = ""
        if found.verdict == MISMATCH:
            reason = "the result does not compute what the source computes"
        elif found.verdict == NOT_RUN:
            reason = found.reason
        return attempt, found, reason

    def _convert(self, kernels: Sequence[str] | None = None, *, unfold: bool = False) -> Attempt:
        """Try one set of kernels after the other; a converter that crashes has refused."""
        refusals: dict[str, str] = {}
        with ExitStack() as stack:
            child: Child | None = None
            for ops in kernels or self._options.attempts:
                if child is None:
                    child = stack.enter_context(Child(self._limits))
                try:
                    outcome = child.run("convert_tflite", **self._task(ops, unfold=unfold))
                except WorkerError as error:
                    if not _crashed(error):
                        raise error.at(f"converting {self._prepared.source.path}") from None
                    child = None
                    refusals[ops] = f"the converter crashed: {error.what}"
                    continue
                self._peak = max(self._peak, outcome["peak_rss_bytes"])
                self._versions = outcome["versions"]
                if outcome["converted"]:
                    return Attempt(
                        kernels=ops,
                        unfolded=unfold,
                        refusals=refusals,
                        ops=TFLiteOps(**outcome["ops"]),
                        weight_bytes=outcome["weight_bytes"],
                        signatures=outcome["signatures"],
                    )
                refusals[ops] = outcome["refusal"]
        return Attempt(refusals=refusals)

    def _task(self, ops: str, *, unfold: bool) -> dict[str, Any]:
        return {
            "saved_model": str(self._prepared.folder),
            "tags": list(self._prepared.tags),
            "signatures": [call.signature for call in self._prepared.calls],
            "ops": ops,
            "quantize": self._options.quantize,
            "samples": self._representative(),
            "integer_io": self._options.integer_io,
            "custom_ops": self._options.custom_ops,
            "unfold": unfold,
            "dest": str(self._made),
        }

    def _representative(self) -> str | None:
        """The file of samples that int8 is calibrated on."""
        if self._options.quantize != INT8 or self._samples is None:
            return None
        target = self._work / "samples.npz"
        if not target.exists():
            call = self._prepared.calls[0]
            save_arrays(
                target,
                {
                    f"{number}/{call.inputs[name]}": value
                    for number in range(self._samples.count)
                    for name, value in self._samples.sample(number).items()
                },
            )
        return str(target)

    def _cannot_run(self, ops: TFLiteOps) -> str:
        """Why no interpreter here runs the result; empty where one does."""
        if not (ops.select or ops.custom):
            return ""
        try:
            with Child(self._limits) as child:
                probed = child.run("probe_tflite", path=str(self._made))
        except WorkerError as error:
            return f"the interpreter here cannot open it: {error.what}"
        if probed["runs"]:
            return ""
        kinds = "select ops (Flex)" if ops.select else "custom ops"
        return f"the interpreter installed here has no {kinds}: {probed['why']}"

    def _verify(self, proofs: dict[str, TFLiteProof], stack: ExitStack) -> Verification:
        """The verdict over all signatures. Raises InterpreterError and WorkerError."""
        found: dict[str, Verification] = {}
        for call in self._prepared.calls:
            if call.signature not in proofs:
                proofs[call.signature] = stack.enter_context(self._proof(call))
            proof = proofs[call.signature]
            side = TFLiteSide(
                path=str(self._made),
                signature=call.signature,
                inputs=call.inputs,
                outputs=call.outputs,
            )
            found[call.signature] = proof.against(side)
            self._peak = max(self._peak, proof.peak_rss_bytes)
        return merge_signatures(found)

    def _quantization(self, attempt: Attempt) -> Quantization:
        options = self._options
        calibrated = options.quantize == INT8 and self._samples is not None
        return Quantization(
            mode=options.quantize,
            integer_io=options.integer_io,
            samples=self._samples.count if calibrated and self._samples else 0,
            tolerance=options.share,
            weight_bytes=attempt.weight_bytes,
        )

    def _signatures(self, attempt: Attempt) -> dict[str, TFLiteSignature]:
        found = {}
        for call in self._prepared.calls:
            sides = {}
            for side, names in (("inputs", call.inputs), ("outputs", call.outputs)):
                described = attempt.signatures[call.signature][side]
                sides[side] = {
                    own: _tensor(described[own], call.tensors[side, name])
                    for name, own in names.items()
                    if own in described
                }
            found[call.signature] = TFLiteSignature(**sides)
        return found


def _tensor(described: Mapping[str, Any], source: str) -> TFLiteTensor:
    scale = described["quantization"]
    return TFLiteTensor(
        tensor=described["tensor"],
        source_tensor=source,
        dtype=described["dtype"],
        shape=Shape(tuple(described["shape"])),
        scale=None if scale is None else Scale(**scale),
    )


def _lacks_kernels(found: Verification, ops: TFLiteOps) -> bool:
    """True where a run failed only for the kernels that this interpreter does not have."""
    if found.verdict != MISMATCH or not (ops.select or ops.custom):
        return False
    failed = [case for case in found.cases if case.verdict == MISMATCH]
    return all(any(text in case.reason for text in _NO_KERNEL) for case in failed)


def _crashed(error: WorkerError) -> bool:
    """True for a process that died by itself, not of a limit and not with a plain error."""
    return error.what.startswith("the TensorFlow process ")


def _check_destination(target: Path, source: Path, *, overwrite: bool) -> None:
    if not is_taken(target):
        return
    if target.is_dir():
        raise UsageError("is a folder, and the result is a file", where=str(target))
    if not overwrite:
        raise exists(target)
    if source.exists() and source.resolve() == target.resolve():
        raise UsageError("is the source", where=str(target))
