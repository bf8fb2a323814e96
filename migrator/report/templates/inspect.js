// One model: its facts, its picture, its signatures, weights and ops.

const data = JSON.parse(document.getElementById("data").textContent);

function endpointRows(specs) {
  return Object.entries(asObject(specs)).map(([name, spec]) => h("tr", {}, h("td", {}, shown(name, 200)), h("td", {}, h("code", {}, shown(spec?.tensor, 300))), h("td", {}, shown(spec?.dtype, 40)), h("td", {}, shapeText(spec?.shape))));
}

const shapeText = (shape) => (Array.isArray(shape) ? `[${shape.map((dim) => (dim === null ? "?" : String(dim))).join(", ")}]` : "unknown");

function table(heads, rows, props = {}) {
  return h("table", props, h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col", class: /^(Elements|Bytes|Count)$/.test(text) ? "figure" : false }, text)))), h("tbody", {}, rows));
}

function metaParts(meta) {
  const graph = asObject(meta.graph);
  const ends = asObject(graph.endpoints);
  const signatures = Object.entries(asObject(meta.signatures));
  const ops = Object.entries(asObject(graph.ops));
  const weights = asArray(graph.largest_weights ?? graph.weights);
  return [
    signatures.map(([key, one]) => h("section", {}, h("h2", {}, "Signature ", h("span", { class: "name" }, shown(key, 200))),
      h("h3", {}, "Inputs"), table(["Name", "Tensor", "Type", "Shape"], endpointRows(one?.inputs)), h("h3", {}, "Outputs"), table(["Name", "Tensor", "Type", "Shape"], endpointRows(one?.outputs)))),
    !signatures.length && ["inputs", "outputs"].map((side) => asArray(ends[side]).length > 0 && h("section", {}, h("h2", {}, side === "inputs" ? "Inputs, as the graph suggests" : "Outputs, as the graph suggests"),
      table(["Tensor", "Type", "Shape"], asArray(ends[side]).slice(0, 40).map((spec) => h("tr", {}, h("td", {}, h("code", {}, shown(spec?.tensor, 300))), h("td", {}, shown(spec?.dtype, 40)), h("td", {}, shapeText(spec?.shape))))))),
    weights.length > 0 && h("section", {}, h("h2", {}, "Largest weights"), table(["Name", "Type", "Shape", "Elements"], weights.slice(0, 20).map((one) => h("tr", {}, h("td", {}, h("code", {}, shown(one?.name, 300))), h("td", {}, shown(one?.dtype, 40)), h("td", {}, shapeText(one?.shape)), h("td", { class: "figure" }, number(asCount(one?.elements))))))),
    ops.length > 0 && h("section", {}, h("h2", {}, "Ops"), table(["Op", "Count"], ops.slice(0, 30).map(([op, count]) => h("tr", {}, h("td", {}, shown(op, 200)), h("td", { class: "figure" }, number(asCount(count)))))), ops.length > 30 && h("p", { class: "dim" }, `and ${plural(ops.length - 30, "more op")}`)),
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
append(document.getElementById("app"), [
  live,
  h("header", { class: "top" }, h("div", { class: "masthead" }, h("h1", {}, shown(source.path, 300)), themeButton()), h("p", { class: "facts" }, facts.join(" · "))),
  h("main", {}, data.scenes.length > 0 && picturesOf(data.scenes), metas.map((meta, index) => h("div", { class: "below" }, metas.length > 1 && h("h2", { class: "wide" }, shown(data.scenes[index]?.label, 100)), metaParts(meta)))),
]);
