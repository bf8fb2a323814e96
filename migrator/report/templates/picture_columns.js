// A long thin part in columns, as a newspaper sets a long text: down, then on at the top of the
// next. It is cut only between rows where few edges pass; those go over to the next column.

const COLUMN_LEAST = 900; // height up to which a part stays as it is
const COLUMN_LEAST_OUTER = 620;
const COLUMN_GAP = 64;
const LANE = 7; // between edges that go over side by side
const MOST_OVER = 2;
const MOST_COLUMNS = 8;

/** Cuts a part's rows, from a height of `least`, into columns if that comes nearer to `shape` (width by height). */
function inColumns(lines, spans, links, shape, least) {
  const tops = spans.map((row) => row.top);
  const high = spans[spans.length - 1].bottom - tops[0];
  const wide = widthOf(lines).w;
  if (high < least || wide / high > shape / 2) return;
  const over = new Array(lines.length).fill(0);
  for (const { a } of links) over[a.row.number]++;
  const cuts = [];
  for (let row = 0; row + 1 < lines.length; row++) {
    if (over[row] <= MOST_OVER && !spans[row].entry && !spans[row + 1].exit) cuts.push(row + 1);
  }
  let best = [];
  let nearest = off(wide / high, shape);
  for (let count = 2; count <= Math.min(MOST_COLUMNS, cuts.length + 1); count++) {
    const starts = evenCuts(cuts, tops, high, count);
    const parts = [0, ...starts].map((from, at) => ({ from, to: starts[at] ?? lines.length }));
    const highs = parts.map(({ from, to }) => spans[to - 1].bottom - tops[from]);
    if (highs.slice(0, -1).some((one) => one < Math.max(...highs) / 2)) continue; // all but empty
    const w = parts.reduce((sum, { from, to }) => sum + widthOf(lines.slice(from, to)).w + COLUMN_GAP, -COLUMN_GAP);
    const h = Math.max(...highs) + 40;
    const far = off(w / h, shape);
    if (far < nearest * 0.8) [best, nearest] = [starts, far];
  }
  if (best.length) setColumns(lines, spans, best);
}

const off = (ratio, shape) => Math.abs(Math.log(ratio / shape));

/** The cuts that come nearest to columns of one height. */
function evenCuts(cuts, tops, high, count) {
  const found = [];
  for (let column = 1; column < count; column++) {
    const wanted = tops[0] + (high * column) / count;
    const after = cuts.filter((row) => row > (found[found.length - 1] ?? 0));
    if (!after.length) break;
    found.push(after.reduce((best, row) => (Math.abs(tops[row] - wanted) < Math.abs(tops[best] - wanted) ? row : best)));
  }
  return found;
}

function widthOf(lines) {
  const all = lines.flat();
  const left = Math.min(...all.map((box) => box.cx - box.w / 2));
  const right = Math.max(...all.map((box) => box.cx + box.w / 2));
  return { left, right, w: right - left };
}

/** Moves each column's rows to the top, beside the one before. */
function setColumns(lines, spans, starts) {
  const first = spans[0].entry ? spans[1].top : spans[0].top;
  let x = widthOf(lines.slice(0, starts[0])).right;
  starts.forEach((from, index) => {
    const to = starts[index + 1] ?? lines.length;
    const { left, right } = widthOf(lines.slice(from, to));
    const aside = x + COLUMN_GAP - left;
    const up = first + (MOST_OVER - 1) * LANE - spans[from].top;
    for (let row = from; row < to; row++) {
      for (const box of lines[row]) {
        box.cx += aside;
        box.y += up;
      }
      spans[row].top += up;
      spans[row].bottom += up;
      spans[row].column = index + 1;
    }
    spans[from].gutter = x + 22;
    x = right + aside;
  });
}

/** Gives edges that go over between the same columns a lane each: {edge, lane} by their bends. */
function lanesOf(edges, boxes) {
  const groups = new Map();
  for (const edge of edges) {
    let before = boxes[edge.upper];
    let x = edge.x1;
    for (const end of [...edge.bends, edge.lower]) {
      const box = boxes[end];
      if (box.row.column !== before.row.column) {
        if (!groups.has(box.row)) groups.set(box.row, []);
        groups.get(box.row).push({ edge, end, x });
      }
      before = box;
      x = box.x;
    }
  }
  for (const group of groups.values()) {
    group.sort((a, b) => b.x - a.x);
    group.forEach(({ edge, end }, lane) => ((edge.lanes ??= new Map()).set(end, lane)));
  }
}

/** The way from the foot of one column to the head of the next, with round corners. */
function wayOver(x, y, tx, row, lane) {
  const low = y + 12 + lane * LANE;
  const high = row.top - 14 - Math.max(0, MOST_OVER - 1 - lane) * LANE;
  const gutter = row.gutter + lane * LANE;
  const r = 8;
  const side = gutter > x ? r : -r;
  const turn = tx > gutter ? r : -r;
  return (
    `V${n(low - r)}Q${n(x)} ${n(low)} ${n(x + side)} ${n(low)}` +
    `H${n(gutter - side)}Q${n(gutter)} ${n(low)} ${n(gutter)} ${n(low - r)}` +
    `V${n(high + r)}Q${n(gutter)} ${n(high)} ${n(gutter + turn)} ${n(high)}` +
    `H${n(tx - turn)}Q${n(tx)} ${n(high)} ${n(tx)} ${n(high + r)}`
  );
}
