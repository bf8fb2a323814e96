// Where everything is. Rows and their order come with the data; here sizes become places, so that
// any scopes may be open. A scope is laid out by itself: edges meet it at ports on its border.

const TITLE = 30; // of an open scope
const PAD = 16;
const SPACE = 22; // between boxes of a row
const BEND_SPACE = 12;
const ROW_GAP = 30;
const FLAG = { control: 1, fresh: 2, gone: 4, loop: 8, hidden: 16 };

/** Where all in `scope` is, relative to its corner. Kept until what is open in it changes. */
function layOut(scene, scope, open, kept) {
  const known = kept.get(scope);
  if (known) return known;
  const { items, layout } = scene.scopes[scope];
  const [count, entries, exits, parts, flat, hinted] = layout;
  const hints = [...hinted];
  const inside = count + entries;
  const boxes = [];
  for (let end = 0; end < count + entries + exits; end++) {
    if (end >= count) {
      boxes.push({ end, w: 8, h: 0, port: true });
      continue;
    }
    const item = items[end];
    const child = isScope(item) && open.has(scopeOf(item)) ? layOut(scene, scopeOf(item), open, kept) : null;
    const looks = face(scene, item);
    boxes.push({ end, item, child, w: child ? child.w : looks.w, h: child ? child.h : looks.h });
  }
  const edges = [];
  const used = new Map(); // a scope's ports are its edges in this order
  const port = (end, side) => {
    const key = end * 2 + side;
    const number = used.get(key) ?? 0;
    used.set(key, number + 1);
    return number;
  };
  for (let at = 0; at < flat.length; at += 6) {
    const [a, b, weight, flags, bend, bends] = flat.slice(at, at + 6);
    const turned = (flags & FLAG.loop) !== 0;
    const edge = { a, b, weight, flags, turned, upper: turned ? b : a, lower: turned ? a : b, bends: [] };
    edge.out = boxes[a].child ? boxes[a].child.exits[port(a, 1)] : null;
    edge.into = boxes[b].child ? boxes[b].child.entries[port(b, 0)] : null;
    if (flags & FLAG.hidden) {
      hints.push(a, b);
      continue;
    }
    for (let step = 0; step < bends; step++) {
      boxes[bend + step] = { end: bend + step, w: 6, h: 0, bend: true };
      edge.bends.push(bend + step);
    }
    edges.push(edge);
  }
  const root = scope === 0;
  const top = root ? PAD : TITLE + 8;
  const placed = parts.map((rows) => placePart(rows, boxes, edges, count, inside, top, root));
  for (const part of placed) part.size = part.boxes.reduce((sum, { item }) => sum + (item === undefined ? 0 : isScope(item) ? weightOf(scene.scopes[scopeOf(item)]) : 1), 0);
  const size = packParts(placed, root);
  const minimum = root ? 0 : openTitle(scene, scope).w;
  const shift = PAD + Math.max(0, (minimum - size.w - 2 * PAD) / 2);
  for (const part of placed) {
    for (const box of part.boxes) {
      box.x += part.x + shift;
      box.y += part.y;
    }
    for (const row of part.rows) {
      row.top += part.y;
      row.bottom += part.y;
      row.gutter += part.x + shift;
    }
  }
  const found = { scope, boxes: boxes.slice(0, count), edges, hints, w: Math.max(minimum, size.w + 2 * PAD), h: size.bottom + (exits && !size.beside ? 0 : PAD) };
  found.entries = boxes.slice(count, inside).map((box) => box.x);
  found.exits = boxes.slice(inside, inside + exits).map((box) => box.x);
  for (const box of boxes.slice(inside, inside + exits)) box.y = found.h;
  for (const part of placed) for (const row of part.rows) if (row.exit) row.top = row.bottom = found.h;
  for (const edge of edges) route(edge, boxes);
  drawPaths(edges, boxes);
  kept.set(scope, found);
  return found;
}

/** How much a scope counts when the largest part comes first. */
const weightOf = (scope) => (scope.kind === "library" ? 0 : scope.below);

function openTitle(scene, scope) {
  const looks = face(scene, scopeItem(scope));
  return { w: textWidth(looks.title, FONTS.scope) + 60 + looks.marks };
}

/** One connected part: places across by turns of averaging, then down by the rows' heights. */
function placePart(rows, boxes, edges, count, inside, top, root) {
  const mine = new Set(rows.flat());
  const links = [];
  for (const edge of edges) {
    if (!mine.has(edge.upper)) continue;
    const chain = [edge.upper, ...edge.bends, edge.lower];
    const from = (edge.turned ? edge.into : edge.out) ?? null;
    const to = (edge.turned ? edge.out : edge.into) ?? null;
    for (let step = 1; step < chain.length; step++) {
      const a = boxes[chain[step - 1]];
      const b = boxes[chain[step]];
      const bends = (a.bend ? 1 : 0) + (b.bend ? 1 : 0);
      const aside = step === 1 && from !== null ? from - a.w / 2 : 0;
      const beside = step === chain.length - 1 && to !== null ? to - b.w / 2 : 0;
      links.push({ a, b, aside, beside, weight: (bends === 2 ? 8 : bends === 1 ? 2 : 1) * (edge.flags & FLAG.control ? 0.3 : 1) });
    }
  }
  const lines = rows.map((row) => row.map((end) => boxes[end]));
  for (const line of lines) for (const box of line) Object.assign(box, { up: [], down: [] });
  for (const link of links) {
    link.a.down.push(link);
    link.b.up.push(link);
  }
  for (const link of links) if (link.a.down.length === 1 && link.b.up.length === 1) link.weight *= 4;
  across(lines);
  straighten(lines, edges.filter((edge) => edge.bends.length && mine.has(edge.upper)), boxes);
  let y = top;
  const spans = [];
  lines.forEach((line, number) => {
    const entry = line.length > 0 && line.every((box) => box.end >= count && box.end < inside && box.port);
    const exit = line.length > 0 && line.every((box) => box.end >= inside && box.port);
    const height = Math.max(0, ...line.map((box) => box.h));
    if (entry) y = 0;
    const row = { number, top: y, bottom: y + height, entry, exit, column: 0, gutter: 0 };
    for (const box of line) {
      box.y = y + (height - box.h) / 2;
      box.row = row;
    }
    spans.push(row);
    let reach = 0;
    for (const box of line) for (const link of box.down) reach = Math.max(reach, Math.abs(link.a.cx + link.aside - link.b.cx - link.beside));
    const leaving = number === lines.length - 2 && lines[number + 1].every((box) => box.port);
    const gap = Math.min(leaving ? 44 : 90, (leaving ? ROW_GAP - 8 : ROW_GAP) + reach * 0.05);
    y += height + (entry ? Math.max(top, gap * 0.8 + 12) : gap);
    if (number === lines.length - 1) y -= gap;
  });
  const before = spans[spans.length - 1].bottom;
  inColumns(lines, spans, links, root ? 2 : 1.4, root ? COLUMN_LEAST_OUTER : COLUMN_LEAST);
  const lowest = Math.max(...spans.map((row) => row.bottom));
  if (spans[spans.length - 1].column) y = lowest + (y - before) + 2 * LANE;
  const all = lines.flat();
  const { left, right } = widthOf(lines);
  for (const row of spans) row.gutter -= left;
  for (const box of all) box.x = box.cx - (box.port || box.bend ? 0 : box.w / 2) - left;
  const ports = spans.some((row) => row.entry || row.exit);
  return { rows: spans, boxes: all, w: right - left, bottom: Math.max(y, root ? 0 : top), top: spans[0].top, ports, size: 0 };
}

function across(lines) {
  for (const line of lines) {
    let x = 0;
    for (const box of line) {
      box.cx = x + box.w / 2;
      x += box.w + SPACE;
    }
    for (const box of line) box.cx -= x / 2;
  }
  if (lines.length < 2) return;
  const sweep = (order, sides) => {
    for (const line of order) settle(line, sides);
  };
  const upward = [...lines].reverse();
  for (let turn = 0; turn < 6; turn++) {
    sweep(lines.slice(1), "up");
    sweep(upward.slice(1), "down");
  }
  for (let turn = 0; turn < 3; turn++) {
    sweep(lines, "both");
    sweep(upward, "both");
  }
}

const apart = (a, b) => a.w / 2 + b.w / 2 + (a.bend || b.bend || a.port || b.port ? BEND_SPACE : SPACE);

/** Makes the way of each long edge as few straight lines as its neighbours leave room for. */
function straighten(lines, long, boxes) {
  lines.forEach((line) => line.forEach((box, at) => Object.assign(box, { left: line[at - 1], right: line[at + 1] })));
  for (const edge of long.sort((a, b) => b.bends.length - a.bends.length)) {
    const ends = [boxes[edge.upper].cx, boxes[edge.lower].cx];
    let run = [];
    let low = -Infinity;
    let high = Infinity;
    const settleRun = () => {
      if (!run.length) return;
      const mean = run.reduce((sum, box) => sum + box.cx, 0) / run.length;
      const near = [...ends].sort((a, b) => Math.abs(a - mean) - Math.abs(b - mean)).find((x) => x >= low && x <= high && Math.abs(x - mean) < 120);
      const x = Math.min(high, Math.max(low, near ?? mean));
      for (const box of run) box.cx = x;
    };
    for (const end of edge.bends) {
      const box = boxes[end];
      const least = box.left ? box.left.cx + apart(box.left, box) : -Infinity;
      const most = box.right ? box.right.cx - apart(box, box.right) : Infinity;
      if (Math.max(low, least) > Math.min(high, most)) {
        settleRun();
        [run, low, high] = [[], -Infinity, Infinity];
      }
      run.push(box);
      low = Math.max(low, least);
      high = Math.min(high, most);
    }
    if (low <= high) settleRun();
  }
}

/** Puts the boxes of a row as near to their neighbours' mean as order and space allow. */
function settle(line, sides) {
  const blocks = [];
  let offset = 0;
  line.forEach((box, index) => {
    if (index) {
      const last = line[index - 1];
      offset += apart(last, box);
    }
    let sum = 0;
    let weight = 0;
    if (sides !== "down") for (const link of box.up) (sum += link.weight * (link.a.cx + link.aside - link.beside)), (weight += link.weight);
    if (sides !== "up") for (const link of box.down) (sum += link.weight * (link.b.cx + link.beside - link.aside)), (weight += link.weight);
    if (!weight) (sum = box.cx * 0.05), (weight = 0.05);
    let block = { sum: sum - offset * weight, weight, boxes: [[box, offset]] };
    while (blocks.length && blocks[blocks.length - 1].sum / blocks[blocks.length - 1].weight > block.sum / block.weight) {
      const before = blocks.pop();
      before.sum += block.sum;
      before.weight += block.weight;
      for (const one of block.boxes) before.boxes.push(one);
      block = before;
    }
    blocks.push(block);
  });
  for (const block of blocks) for (const [box, at] of block.boxes) box.cx = block.sum / block.weight + at;
}

/** Parts with ports stand side by side; the others are stacked beside them, in shelves. */
function packParts(parts, root) {
  const main = parts.filter((part) => part.ports);
  let rest = parts.filter((part) => !part.ports).sort((a, b) => b.size - a.size);
  if (!main.length && rest.length) main.push(rest.shift());
  let x = 0;
  let bottom = 0;
  for (const part of main) {
    part.x = x;
    part.y = 0;
    x += part.w + SPACE * 1.5;
    bottom = Math.max(bottom, part.bottom);
  }
  let width = Math.max(0, x - SPACE * 1.5);
  if (!rest.length) return { w: width, bottom, beside: false };
  const lowest = bottom;
  const top = rest[0].top;
  const area = rest.reduce((sum, part) => sum + (part.w + SPACE) * (part.bottom - part.top + SPACE), 0);
  const widest = Math.max(...rest.map((part) => part.w));
  const wide = Math.max(widest, Math.min(Math.sqrt(area * 1.8), root ? 1400 : 900), area / Math.max(bottom - top, 1));
  const start = width + (width ? SPACE * 2 : 0);
  let at = start;
  let y = 0;
  let shelf = 0;
  for (const part of rest) {
    const high = part.bottom - part.top;
    if (at > start && at + part.w > start + wide) {
      at = start;
      y += shelf + SPACE;
      shelf = 0;
    }
    part.x = at;
    part.y = y;
    at += part.w + SPACE;
    shelf = Math.max(shelf, high);
    width = Math.max(width, at - SPACE);
    bottom = Math.max(bottom, part.top + y + high);
  }
  return { w: width, bottom, beside: bottom > lowest };
}
