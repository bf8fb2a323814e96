// The ways of the edges of a level, once its boxes have their places.

const n = (value) => Math.round(value * 10) / 10;

/** Where an edge leaves the upper box and meets the lower one. */
function route(edge, boxes) {
  const upper = boxes[edge.upper];
  const lower = boxes[edge.lower];
  const from = (edge.turned ? edge.into : edge.out) ?? null;
  const to = (edge.turned ? edge.out : edge.into) ?? null;
  const middle = (box, at) => (box.port || box.bend ? box.x : box.x + (at ?? box.w / 2));
  edge.x1 = middle(upper, from);
  edge.x2 = middle(lower, to);
  edge.y1 = upper.y + upper.h;
  edge.y2 = lower.y;
}

/**
 * Spreads the ends of edges over the side of a box, then draws them all: straight through rows,
 * curved only between them, so that no line crosses a box.
 */
function drawPaths(edges, boxes) {
  const sides = new Map();
  const take = (edge, box, side, at) => {
    if (!box || box.port || (side === "bottom" ? (edge.turned ? edge.into : edge.out) : edge.turned ? edge.out : edge.into) !== null) return;
    const key = `${box.end} ${side}`;
    if (!sides.has(key)) sides.set(key, { box, side, ends: [] });
    sides.get(key).ends.push({ edge, at });
  };
  for (const edge of edges) {
    const chain = [edge.upper, ...edge.bends, edge.lower].map((end) => boxes[end]);
    const near = (box) => (box.port || box.bend ? box.x : box.x + box.w / 2);
    take(edge, chain[0], "bottom", near(chain[1]));
    take(edge, chain[chain.length - 1], "top", near(chain[chain.length - 2]));
  }
  for (const { box, side, ends } of sides.values()) {
    ends.sort((a, b) => a.at - b.at);
    const step = ends.length > 1 ? Math.min(14, (box.w - 24) / (ends.length - 1)) : 0;
    ends.forEach((one, index) => {
      const x = box.x + box.w / 2 + (index - (ends.length - 1) / 2) * step;
      if (side === "bottom") one.edge.x1 = x;
      else one.edge.x2 = x;
    });
  }
  lanesOf(edges, boxes);
  for (const edge of edges) {
    const upper = boxes[edge.upper];
    const lower = boxes[edge.lower];
    const head = edge.into === null && !boxes[edge.b].port ? 6 : 0;
    const tip = edge.turned ? { start: head, end: 0 } : { start: 0, end: head };
    let path = `M${n(edge.x1)} ${n(edge.y1 + tip.start)}`;
    let x = edge.x1;
    let y = upper.row.bottom;
    let row = upper.row;
    if (y > edge.y1 + tip.start) path += `V${n(y)}`;
    y = Math.max(y, edge.y1 + tip.start);
    for (const end of [...edge.bends, edge.lower]) {
      const box = boxes[end];
      const last = end === edge.lower;
      const tx = last ? edge.x2 : box.x;
      const ty = last ? Math.min(box.row.top, edge.y2 - tip.end) : box.row.top;
      const half = (y + ty) / 2;
      if (box.row.column !== row.column) path += `${wayOver(x, y, tx, box.row, edge.lanes.get(end))}V${n(ty)}`;
      else path += Math.abs(tx - x) < 0.5 ? `V${n(ty)}` : `C${n(x)} ${n(half)} ${n(tx)} ${n(half)} ${n(tx)} ${n(ty)}`;
      x = tx;
      y = ty;
      row = box.row;
      if (!last && box.row.bottom > y) path += `V${n((y = box.row.bottom))}`;
    }
    if (edge.y2 - tip.end > y) path += `V${n(edge.y2 - tip.end)}`;
    edge.path = path;
  }
}
