"""Peer: the documented recipe on several models, a process each, so many at a time.

Arguments: JSON of the models, destination, first model, how many, how many at a time.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

listed, destination, first, count, at_a_time = sys.argv[1:]
models = json.loads(Path(listed).read_text(encoding="utf-8"))[int(first) :][: int(count)]
recipe = str(Path(__file__).with_name("documented_recipe.py"))


def migrate(model: dict[str, str]) -> int:
    result = str(Path(destination, model["name"]))
    words = [model["source"], result]
    for name, tensor in ((model["input"], model["input"]), ("result", model["output"])):
        words += [name.partition(":")[0].replace("/", "_"), tensor]
    command = [sys.executable, recipe, *words]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode


with ThreadPoolExecutor(int(at_a_time)) as pool:
    failed = sum(map(bool, pool.map(migrate, models)))
if failed:
    raise SystemExit(f"{failed} of {len(models)} failed")
