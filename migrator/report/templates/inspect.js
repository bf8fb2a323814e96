// One model: its facts, its picture, its signatures, weights and ops.

const data = JSON.parse(document.getElementById("data").textContent);
const FORMATS = {
  checkpoint: "checkpoint", graph_def: "GraphDef", hub_module: "TensorFlow 1 hub module", keras_h5: "Keras model (HDF5)",
  keras_zip: "Keras model (.keras)", meta_graph: "MetaGraph", saved_model: "SavedModel", tflite: "TFLite model",
};
const SIDES = { inputs: "Inputs", outputs: "Outputs" };
const LAYERED = new Set(["keras_h5", "keras_zip"]);
const DECLARING = new Set([...LAYERED, "tflite"]); // they say which tensors are their ends
const OWN = "__saved_model_"; // signatures of TensorFlow's own, for what runs at load

const formatText = (format) => {
  const base = asText(format).replace(/_text$/, "");
  return `${FORMATS[base] ?? shown(base, 40)}${base === format ? "" : " as text"}`;
};

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

const callColumns = [textColumn("Function", "call"), textColumn("Side", "side"), textColumn("Name", "tensor"), typeColumn, shapeColumn];
const callRows = (calls) => asArray(calls).map(asObject).flatMap((one) =>
  ["inputs", "outputs"].flatMap((side) => asArray(one[side]).map((spec) => ({ ...asObject(spec), call: one.name, side: side.slice(0, -1) }))));

const missing = (one) => (one.required ? "required" : one.default === undefined ? "" : JSON.stringify(one.default));
const featureColumns = [
  { title: "Feature", key: (one) => asText(one.name), cell: (one) => (typeof one.name === "string" ? shown(one.name, 200) : "(worked out)") },
  typeColumn, shapeColumn,
  { title: "Kind", key: (one) => asText(one.kind), cell: (one) => shown([one.kind, one.part].filter(Boolean).join(", "), 40) },
  { title: "If missing", key: missing, cell: (one) => shown(missing(one), 80) },
];

function examplePart(raw) {
  const one = asObject(raw);
  const of = one.tensor ? `in ${shown(one.tensor, 200)}` : `that ${shown(one.node, 200)} parses`;
  return tableSection(`Features of the tf.Examples ${of}`, featureColumns, asArray(one.features).map(asObject), "feature", { wide: false });
}

function metaParts(meta) {
  const graph = asObject(meta.graph);
  const ends = asObject(graph.endpoints);
  const keyed = Object.entries(asObject(meta.signatures));
  const signatures = keyed.filter(([key]) => !key.startsWith(OWN));
  const own = keyed.filter(([key]) => key.startsWith(OWN)).map(([key]) => shown(key, 200));
  const says = DECLARING.has(source.format) ? "" : ", as the graph suggests";
  const suggested = (side) => tableSection(`${SIDES[side]}${says}`, [tensorColumn, typeColumn, shapeColumn], asArray(ends[side]).map(asObject), side.slice(0, -1), { node: ofTensor, wide: false });
  const weights = asArray(graph.largest_weights).map(asObject);
  const ops = Object.entries(asObject(graph.ops)).map(([op, count]) => ({ op, count }));
  const weightColumns = [nameColumn, typeColumn, shapeColumn, countColumn("Elements", (one) => elementsOf(one.shape)), countColumn("Bytes", (one) => asCount(one.bytes), size)];
  const odd = asArray(meta.stands_out);
  return [
    odd.length > 0 && h("section", {}, h("h2", {}, "Stands out"), h("ul", {}, odd.map((line) => h("li", {}, shown(line, 600))))),
    signatures.map(signaturePart),
    !signatures.length && Object.keys(SIDES).map(suggested),
    asArray(meta.callables).length > 0 && tableSection("Functions, for there is no signature", callColumns, callRows(meta.callables), "tensor", { wide: false }),
    asArray(meta.examples).slice(0, 4).map(examplePart),
    own.length > 0 && h("section", {}, h("p", {}, `Run at load: ${own.join(", ")}`)),
    tableSection("Largest weights", weightColumns, weights, "weight", { node: (one) => one.name, wide: false }),
    tableSection("Ops", [textColumn("Op", "op"), countColumn("Count", (one) => asCount(one.count))], ops, "op", { wide: false }),
  ];
}

const result = asObject(data.result);
const source = asObject(result.source);
const metas = asArray(result.meta_graphs).map(asObject);
const first = asObject(metas[0]?.graph);
const facts = [
  formatText(source.format), size(asCount(source.bytes)),
  first.nodes !== undefined && plural(asCount(first.nodes), LAYERED.has(source.format) ? "layer" : "node"),
  asCount(first.functions) > 0 && plural(asCount(first.functions), "function"),
  asCount(first.parameters) > 0 && plural(asCount(first.parameters), "parameter"),
  asObject(metas[0]?.cost).multiply_adds > 0 && `${number(asCount(metas[0].cost.multiply_adds))} multiply-adds`,
  metas[0]?.tensorflow_version && `TensorFlow ${shown(metas[0].tensorflow_version, 30)}`,
].filter(Boolean);
const picture = data.scenes.length > 0 ? picturesOf(data.scenes, onPage.take) : noPicture(data.note);
const metaSection = (meta, index) => h("div", { class: "below" }, metas.length > 1 && h("h2", { class: "wide" }, shown(data.scenes[index]?.label, 100)), metaParts(meta));
append(document.getElementById("app"), [
  live,
  h("header", { class: "top" }, h("div", { class: "masthead" }, h("h1", {}, shown(source.path, 300)), themeButton()), h("p", { class: "facts" }, facts.join(" · "))),
  h("main", {}, picture, metas.map(metaSection)),
]);
