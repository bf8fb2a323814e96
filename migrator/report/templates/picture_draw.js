// Boxes and lines as SVG. What is drawn follows from the layout alone.

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element; like h(). */
function s(tag, props, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    element.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    element.append(child instanceof Node ? child : shown(child));
  }
  return element;
}

function arrows() {
  const arrow = (id) => s("marker", { id, viewBox: "0 0 8 8", refX: 1, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse", markerUnits: "userSpaceOnUse" }, s("path", { d: "M0 0.6L7 4L0 7.4z" }));
  return s("defs", {}, ["plain", "fresh", "gone", "loop", "on"].map((name) => arrow(`arrow-${name}`)));
}

/** A layout as a group; `index` takes {item: {group, box}} of all that is drawn in it. */
function drawLevel(scene, layout, open, kept, index, at) {
  const lines = layout.edges.map((edge) => drawEdge(edge, layout));
  const boxes = layout.boxes.map((box) => drawBox(scene, box, open, kept, index, at));
  const stubs = drawHints(scene, layout);
  return s("g", { class: "level" }, s("g", { class: "edges" }, lines.filter((line) => !line.dataset.late), lines.filter((line) => line.dataset.late)), boxes, stubs);
}

function drawEdge(edge, layout) {
  const state = edge.flags & FLAG.fresh ? "fresh" : edge.flags & FLAG.gone ? "gone" : edge.turned ? "loop" : "plain";
  const classes = ["edge", state, edge.flags & FLAG.control && "control"].filter(Boolean).join(" ");
  const line = s("path", { class: classes, d: edge.path, "stroke-width": n(Math.min(1.3 + Math.log2(edge.weight) * 0.45, 4)) });
  // Where a line goes on inside of an open scope it has no head yet.
  const ends = edge.b < layout.boxes.length && edge.into === null;
  if (edge.turned && ends) line.setAttribute("marker-start", "url(#arrow-loop)");
  else if (!edge.turned && ends) line.setAttribute("marker-end", `url(#arrow-${state})`);
  if (state !== "plain") line.dataset.late = "1";
  line.dataset.a = edge.a;
  line.dataset.b = edge.b;
  edge.line = line;
  return line;
}

function drawBox(scene, box, open, kept, index, at) {
  const { item } = box;
  const x = at.x + box.x;
  const y = at.y + box.y;
  const looks = face(scene, item);
  const group = s("g", { class: "item", transform: `translate(${n(box.x)} ${n(box.y)})` });
  group.dataset.item = item;
  if (looks.kind) group.dataset.kind = looks.kind;
  if (box.child) drawOpen(scene, box, looks, open, kept, index, { x, y }, group);
  else if (isScope(item)) drawClosed(box, looks, group);
  else drawLeaf(scene, item, box, looks, group);
  index.set(item, { group, x, y, w: box.w, h: box.h });
  return group;
}

function drawOpen(scene, box, looks, open, kept, index, place, group) {
  const number = scopeOf(box.item);
  group.classList.add("scope", "open");
  group.append(
    s("rect", { class: "frame", width: n(box.w), height: n(box.h), rx: 9 }),
    drawLevel(scene, kept.get(number), open, kept, index, place),
    s("g", { class: "head", transform: "translate(10 8)" }, // over the lines that come in
      s("rect", { class: "grip", x: -4, y: -3, width: n(textWidth(looks.title, FONTS.scope) + 30), height: 22, rx: 5 }),
      toggleMark(true), s("text", { class: "op", x: 20, y: 12.5 }, looks.title),
      countMarks(looks, textWidth(looks.title, FONTS.scope) + 32, 0)));
}

const toggleMark = (open) => s("g", { class: "toggle" }, s("rect", { x: 0, y: 1.5, width: 13, height: 13, rx: 3 }), s("path", { d: open ? "M3.5 8h6" : "M3.5 8h6M6.5 5v6" }));

function countMarks(looks, x, y) {
  return looks.kinds.map(({ kind, text, w: width }) => {
    const mark = s("g", { class: "count", "data-kind": kind, transform: `translate(${n(x)} ${y})` }, s("rect", { width: n(width), height: 16, rx: 8 }), s("text", { x: n(width / 2), y: 12, "text-anchor": "middle" }, text));
    x += width + 4;
    return mark;
  });
}

function drawClosed(box, looks, group) {
  group.classList.add("scope", "closed");
  group.append(
    s("rect", { class: "behind", x: 4, y: 4, width: n(box.w - 8), height: n(box.h), rx: 7 }),
    s("rect", { class: "box", width: n(box.w), height: n(box.h), rx: 7 }),
    s("g", { transform: "translate(10 7)" }, toggleMark(false), s("text", { class: "op", x: 20, y: 12.5 }, looks.title)),
    ...countMarks(looks, textWidth(looks.title, FONTS.scope) + 36, 7),
    s("text", { class: "said", x: 30, y: 36 }, looks.said));
}

function drawLeaf(scene, cell, box, looks, group) {
  const sort = scene.sort(cell);
  const { end } = looks;
  group.classList.add("leaf");
  group.dataset.sort = end ? "ends" : sort;
  const left = 12 + (looks.kind ? MARK_WIDTH : 0);
  group.append(s("title", {}, shown(scene.name(cell), 300)));
  group.append(s("rect", { class: "box", width: n(box.w), height: n(box.h), rx: end ? n(box.h / 2) : 5 }));
  if (!end) group.append(s("path", { class: "stripe", d: `M5 0H4.5V${box.h}H5A5 5 0 0 1 0 ${box.h - 5}V5A5 5 0 0 1 5 0z` }));
  if (looks.kind) group.append(boxMark(looks.kind, 9, box.h / 2 - 8));
  const low = box.h === LEAF_LOW;
  group.append(s("text", { class: "op", x: left, y: low ? 18.5 : 17 }, looks.title));
  if (looks.said) group.append(s("text", { class: "said", x: left, y: 32 }, looks.said));
  let x = left + (looks.said ? textWidth(looks.said, FONTS.name) + 8 : 0);
  for (const badge of looks.badges) {
    group.append(s("g", { class: "badge", "data-kind": badge.kind || null, transform: `translate(${n(x)} 21.5)` }, s("rect", { width: n(badge.w), height: 14, rx: 3 }), s("text", { x: 5, y: 10.7 }, badge.text)));
    x += badge.w + 4;
  }
  if (looks.inner && looks.inner !== looks.kind) group.append(s("g", { class: "inner", "data-kind": looks.inner }, s("circle", { cx: n(box.w - 7), cy: 7, r: 4 }), s("title", {}, `holds a value that is ${KIND_WORDS[looks.inner].toLowerCase()}`)));
}

const boxMark = (kind, x, y) => s("g", { class: "mark", transform: `translate(${x} ${n(y)})` }, s("rect", { width: 16, height: 16, rx: kind === "renamed" || kind === "rewired" ? 8 : 3 }), s("text", { x: 8, y: 12, "text-anchor": "middle" }, KIND_MARKS[kind]));

/** Connections without lines: a short stub at either end. */
function drawHints(scene, layout) {
  const from = new Map();
  const stubs = [];
  const ends = layout.boxes;
  for (let at = 0; at < layout.hints.length; at += 2) {
    const [a, b] = [layout.hints[at], layout.hints[at + 1]];
    if (a < ends.length) from.set(a, (from.get(a) ?? 0) + 1);
    if (b < ends.length) {
      const box = ends[b];
      box.stubs = (box.stubs ?? 0) + 1;
    }
  }
  for (const [end, count] of from) {
    const box = ends[end];
    stubs.push(s("g", { class: "stub", transform: `translate(${n(box.x + box.w - 14)} ${n(box.y + box.h)})` }, s("path", { d: "M0 0v7" }), s("circle", { cx: 0, cy: 9, r: 2 }), s("text", { x: 5, y: 13 }, number(count)), s("title", {}, `read by ${number(count)} more, drawn without lines`)));
  }
  for (const box of ends) {
    if (!box.stubs) continue;
    stubs.push(s("g", { class: "stub", transform: `translate(${n(box.x + 12)} ${n(box.y)})` }, s("path", { d: "M0 0v-6" }), s("circle", { cx: 0, cy: -8, r: 2 }), s("title", {}, `${plural(box.stubs, "input")} drawn without lines`)));
    box.stubs = 0;
  }
  return s("g", { class: "stubs" }, stubs);
}
