// One model: its facts, its picture, its signatures, weights and ops.

const data = JSON.parse(document.getElementById("data").textContent);
const SUGGESTED = { inputs: "Inputs, as the graph suggests", outputs: "Outputs, as the graph suggests" };

const shapeText = (shape) => (Array.isArray(shape) ? `[${shape.map((dim) => (dim === null ? "?" : asText(dim))).join(", ")}]` : "unknown");
const elementsOf = (shape) => (Array.isArray(shape) && shape.every(Number.isFinite) ? shape.reduce((product, dim) => product * dim, 1) : null);
const nodeOf = (tensor) => asText(tensor).replace(/:\d+$/, "");

const textColumn = (title, field, most = 200) => ({ title, key: (one) => asText(one[field]), cell: (one) => shown(one[field], most) });
const shapeColumn = { title: "Shape", key: (one) => shapeText(one.shape), cell: (one) => shapeText(one.shape) };
const typeColumn = textColumn("Type", "dtype", 40);
const countColumn = (title, value, draw = number) => ({ title, figure: true, key: value, cell: (one) => (value(one) === null ? "" : draw(value(one))) });
const tensorColumn = {
  title: "Tensor",
  key: (one) => asText(one.tensor),
  cell: (one) => {
    const cell = onPage.cell(nodeOf(one.tensor));
    const text = shown(one.tensor, 300);
    return cell === undefined ? h("code", {}, text) : h("button", { type: "button", class: "link", on: { click: () => onPage.show(cell) } }, text);
  },
};
const nameColumn = { title: "Name", key: (one) => asText(one.name), cell: (one) => nodeName(one.name) };

const specRows = (specs) => Object.entries(asObject(specs)).map(([name, spec]) => ({ ...asObject(spec), name }));
const endpointColumns = [textColumn("Name", "name"), tensorColumn, typeColumn, shapeColumn];
const ofTensor = (one) => nodeOf(one.tensor);

function signaturePart([key, one]) {
  const side = (title, specs) => [h("h3", {}, title), longTable(endpointColumns, specRows(specs), title.toLowerCase().slice(0, -1), ofTensor)];
  return h("section", {}, h("h2", {}, "Signature ", h("span", { class: "name" }, shown(key, 200))), side("Inputs", one?.inputs), side("Outputs", one?.outputs));
}

function metaParts(meta) {
  const graph = asObject(meta.graph);
  const ends = asObject(graph.endpoints);
  const signatures = Object.entries(asObject(meta.signatures));
  const suggested = (side) => tableSection(SUGGESTED[side], [tensorColumn, typeColumn, shapeColumn], asArray(ends[side]).map(asObject), side.slice(0, -1), { node: ofTensor, wide: false });
  const weights = asArray(graph.largest_weights).map(asObject);
  const ops = Object.entries(asObject(graph.ops)).map(([op, count]) => ({ op, count }));
  const weightColumns = [nameColumn, typeColumn, shapeColumn, countColumn("Elements", (one) => elementsOf(one.shape)), countColumn("Bytes", (one) => asCount(one.bytes), size)];
  return [
    signatures.map(signaturePart),
    !signatures.length && Object.keys(SUGGESTED).map(suggested),
    tableSection("Largest weights", weightColumns, weights, "weight", { node: (one) => one.name, wide: false }),
    tableSection("Ops", [textColumn("Op", "op"), countColumn("Count", (one) => asCount(one.count))], ops, "op", { wide: false }),
  ];
}

const result = asObject(data.result);
const source = asObject(result.source);
const metas = asArray(result.meta_graphs).map(asObject);
const first = asObject(metas[0]?.graph);
const facts = [
  shown(source.format, 40), size(asCount(source.bytes)),
  first.nodes !== undefined && plural(asCount(first.nodes), "node"),
  asCount(first.functions) > 0 && plural(asCount(first.functions), "function"),
  asCount(first.parameters) > 0 && `${number(asCount(first.parameters))} parameters`,
  metas[0]?.tensorflow_version && `TensorFlow ${shown(metas[0].tensorflow_version, 30)}`,
].filter(Boolean);
const picture = data.scenes.length > 0 ? picturesOf(data.scenes, onPage.take) : noPicture(data.note);
const metaSection = (meta, index) => h("div", { class: "below" }, metas.length > 1 && h("h2", { class: "wide" }, shown(data.scenes[index]?.label, 100)), metaParts(meta));
append(document.getElementById("app"), [
  live,
  h("header", { class: "top" }, h("div", { class: "masthead" }, h("h1", {}, shown(source.path, 300)), themeButton()), h("p", { class: "facts" }, facts.join(" · "))),
  h("main", {}, picture, metas.map(metaSection)),
]);
