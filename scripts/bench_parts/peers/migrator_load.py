"""Our side of the comparison inside a process: the times of import and load, as JSON."""

import json
import sys
import time

start = time.perf_counter()
import migrator  # noqa: E402

load = migrator.load
imported = time.perf_counter()
model = load(sys.argv[1])
loaded = time.perf_counter()
nodes = len(model.meta_graphs[0].graph.nodes)
print(json.dumps({"import": imported - start, "work": loaded - imported, "nodes": nodes}))
