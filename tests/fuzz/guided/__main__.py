"""Run one target."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="a folder that is kept and grown")
    parser.add_argument("--again", type=Path, help="a file to run once, such as a found crash")
    parser.add_argument("--artifacts", default="./", help="PREFIX of the files that crashes go to")
    asked = parser.parse_args()
    with atheris.instrument_imports(include=["migrator"]):
        from tests.fuzz.guided.targets import TARGETS
    target = TARGETS[asked.target]
    if asked.again is not None:
        target.run(asked.again.read_bytes())
        return
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds()):
            Path(folder, f"seed{number:04}").write_bytes(seed)
        corpora = [folder] if asked.corpus is None else [str(asked.corpus), folder]
        atheris.Setup(
            [
                sys.argv[0],
                f"-max_total_time={asked.seconds}",
                "-timeout=20",
                "-rss_limit_mb=2048",
                "-max_len=65536",
                "-print_final_stats=1",
                f"-artifact_prefix={asked.artifacts}",
                *corpora,
            ],
            target.run,
        )
        atheris.Fuzz()


main()
