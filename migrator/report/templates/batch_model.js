// One model of a batch: what became of it, the proof, the plan, the findings, its graph, the log.

const data = JSON.parse(document.getElementById("data").textContent);
const outcome = asObject(data.outcome);
const WORDS = { bitwise: "Bit for bit", within_tolerance: "Within tolerance", mismatch: "Not the same", not_run: "Not compared", not_comparable: "Random, not compared" };

const SAID = {
  bitwise: "Done: the result computes what the source does, bit for bit.",
  within_tolerance: "Done: the result computes what the source does, within the tolerance.",
  done: "Done, and not compared with the source.",
};
if (data.looked) STATUS_WORDS.looked_at = asText(data.looked);
const proof = asObject(asObject(data.record).verification);

/** Outputs that two runs cannot be compared by, of all cases. */
function notCompared() {
  const cases = asArray(proof.cases).map(asObject);
  const names = cases.flatMap((one) => Object.entries(asObject(one.outputs)).filter(([, found]) => asObject(found).verdict === "not_comparable").map(([name]) => name));
  return [...new Set(names)];
}

/** What became of it in a sentence, with what the proof does not tell. */
function saidOf() {
  const names = notCompared();
  if (!names.length || !["bitwise", "within_tolerance"].includes(data.status)) return SAID[data.status];
  const some = names.slice(0, 5).map((name) => shown(name, 100)).join(", ");
  const more = names.length > 5 ? ` and ${number(names.length - 5)} more` : "";
  return `Done: the other outputs are what the source computes, ${WORDS[data.status].toLowerCase()}. Not compared, as random: ${some}${more}.`;
}

const sameBadge = (verdict) => h("span", { class: "same", data: { verdict: asText(verdict) } }, Object.hasOwn(WORDS, asText(verdict)) ? WORDS[verdict] : shown(verdict, 40));
const far = (value) => (Number.isFinite(value) ? (value === 0 ? "0" : value.toPrecision(3)) : "");
const shapeText = (shape) => (Array.isArray(shape) ? `[${shape.map((dim) => (dim === null ? "?" : asText(dim))).join(", ")}]` : "unknown");
const section = (title, ...children) => h("section", {}, h("h2", {}, title), children);

function grid(heads, rows) {
  const figure = (index) => heads[index].startsWith("#") && "figure";
  // What is short stays whole; long names break anywhere.
  const short = (cell) => typeof cell === "string" && cell.length <= 20 && "kind";
  return h("div", { class: "wide-table" }, h("table", { class: "plain-table" },
    h("thead", {}, h("tr", {}, heads.map((text, index) => h("th", { scope: "col", class: figure(index) }, text.replace("#", ""))))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, index) => h("td", { class: figure(index) || short(cell) }, cell)))))));
}

/** A table of the first `most` rows, and a button that brings more. */
function longGrid(heads, items, row, most, what) {
  const made = grid(heads, items.slice(0, most).map(row));
  if (items.length <= most) return made;
  const more = h("button", { type: "button", class: "more" }, `Show ${plural(items.length - most, `more ${what}`)}`);
  more.addEventListener("click", () => {
    const whole = grid(heads, items.map(row));
    made.replaceWith(whole);
    more.remove();
    whole.tabIndex = -1;
    whole.focus({ preventScroll: true });
  });
  return [made, more];
}

/* ---- what became of it ---- */

function fateSection() {
  const decision = asObject(data.decision);
  const said = Object.hasOwn(SAID, data.status) ? saidOf() : data.status === "needs_decision" ? "" : data.title;
  return [
    h("section", { class: "readiness", data: { status: data.status } },
      h("h2", {}, statusBadge(data.status)),
      said && h("p", {}, shown(said, 1000)),
      outcome.reason && h("p", { class: "reason" }, shown(outcome.reason, 4000)),
      data.advice && h("p", { class: "advice" }, marked(asText(data.advice))),
      candidateTable(asArray(decision.candidates).map(asArray)),
      decision.entry && [h("h3", {}, "Entry of the manifest, to correct"), copied(asText(decision.entry), "the entry")]),
    factsSection(),
  ];
}

function factsSection() {
  const tflite = asObject(outcome.tflite);
  const before = asCount(outcome.source_bytes);
  const after = asCount(outcome.result_bytes);
  const spent = Object.entries(asObject(outcome.seconds)).filter(([step, value]) => step !== "total" && asAmount(value) > 0);
  const longest = Math.max(...spent.map(([, value]) => value), 0);
  const versions = Object.entries(asObject(outcome.versions));
  const facts = [
    ["Format", formatWord(asText(outcome.format))],
    ["Before", before > 0 && size(before)],
    ["After", after > 0 && [size(after), before > 0 && h("span", { class: "dim" }, ` (${((100 * after) / before).toFixed(0)} %)`)]],
    ["TFLite", tflite.outcome && [tflite.outcome === "converted_unverified" ? "converted" : shown(asText(tflite.outcome).replaceAll("_", " "), 40), asCount(tflite.bytes) > 0 && `, ${size(asCount(tflite.bytes))}`, tflite.verdict && [", ", sameBadge(tflite.verdict)]]],
    ["Memory", asCount(outcome.peak_rss_bytes) > 0 && `${size(asCount(outcome.peak_rss_bytes))} at most`],
    ["Tries", asCount(outcome.attempts) > 1 && number(outcome.attempts)],
    ["Finished", moment(outcome.finished)],
    ["Versions", versions.slice(0, 8).map(([key, value]) => `${shown(key, 30)} ${shown(value, 30)}`).join(", ")],
    ["SHA-256", outcome.source_sha256 && mono(asText(outcome.source_sha256), 80)],
  ].filter(([, value]) => value && value !== "");
  return h("section", { class: "columns" },
    h("dl", { class: "pairs" }, facts.map(([word, value]) => h("div", {}, h("dt", {}, word), h("dd", {}, value)))),
    spent.length > 0 && h("dl", { class: "pairs times" }, spent.slice(0, 12).map(([step, value]) => {
      const bar = h("i", { class: "bar", "aria-hidden": "true" });
      bar.style.width = `${(100 * value) / longest}%`;
      return h("div", {}, h("dt", {}, shown(step, 40)), h("dd", {}, h("span", { class: "track" }, bar), duration(value)));
    })));
}

/* ---- the proof ---- */

function proofSection() {
  return proof.verdict ? section("Proof", proofParts(proof)) : null;
}

/** The TFLite file: what became of it, why, and its proof. */
function tfliteSection() {
  const found = asObject(data.tflite);
  const told = asObject(outcome.tflite);
  if (!found.outcome && !told.outcome) return null;
  const compared = asObject(found.verification);
  const reasons = [found.reason, told.reason].map(asText).filter((text) => text && text !== compared.reason);
  return section("TFLite",
    h("p", {}, { converted: "Converted.", converted_unverified: "Converted, and not compared with the source." }[found.outcome ?? told.outcome] ?? "Not made."),
    [...new Set(reasons)].map((text) => h("p", { class: "reason" }, shown(text, 2000))),
    compared.verdict && proofParts(compared),
    asArray(found.notes).length > 0 && h("ul", { class: "reasons" }, asArray(found.notes).slice(0, 40).map((text) => h("li", {}, shown(asText(text), 800)))));
}

/** A verdict and its cases. A reason that stands above, or in each of them, is told once. */
function proofParts(proof) {
  const said = new Set([outcome.reason, proof.reason].map(asText));
  const cases = asArray(proof.cases).map(asObject);
  const once = (text) => {
    if (said.has(text)) return "";
    if (text.length > 100) said.add(text);
    return text;
  };
  const rows = cases.flatMap((one) => {
    const outputs = Object.entries(asObject(one.outputs));
    return (outputs.length ? outputs : [["", {}]]).map(([name, told]) => {
      const found = asObject(told);
      return { one, name, found, why: once(asText(found.reason || one.reason)) };
    });
  });
  const parting = asObject(asObject(proof.bisection).parting);
  return [
    h("p", {}, sameBadge(proof.verdict), proof.reason && proof.reason !== outcome.reason && `: ${shown(proof.reason, 1000)}`,
      Number.isFinite(proof.max_abs) && proof.max_abs > 0 && h("span", { class: "dim" }, ` at most ${far(proof.max_abs)} apart, ${far(proof.max_rel)} relative`)),
    parting.node && h("p", {}, "The results part at ", mono(asText(parting.node), 300), ` (${shown(parting.op, 80)}).`),
    rows.length > 0 && longGrid(["Case", "Signature", "Inputs", "Output", "Result", "#Absolute", "#Relative"], rows, ({ one, name, found, why }) => [
      [shown(one.name, 80), one.stage && h("span", { class: "dim" }, ` ${shown(one.stage, 60)}`)],
      shown(one.signature, 100),
      Object.entries(asObject(one.inputs)).slice(0, 4).map(([key, dims], index) => [index > 0 && ", ", `${shown(key, 60)} ${shapeText(dims)}`]),
      shown(name, 120),
      [sameBadge(found.verdict ?? one.verdict), why && h("span", { class: "dim" }, ` ${shown(why, 300)}`)],
      far(found.max_abs), far(found.max_rel),
    ], 24, "comparison"),
  ];
}

/* ---- the plan ---- */

function planSection() {
  const plan = asObject(data.plan);
  const record = asObject(data.record);
  const blockers = asArray(plan.blockers).map(asObject);
  const steps = asArray(record.steps ?? plan.steps).map(asObject);
  const notes = [...asArray(plan.notes), ...asArray(record.notes)].map(asText);
  const why = asText(record.weights_reason || plan.weights_reason);
  if (!blockers.length && !steps.length && !notes.length) return null;
  return section(blockers.length ? "Plan, and what stands in its way" : "Plan",
    blockers.length > 0 && longGrid(["Rule", "What", "Node", "What helps"], blockers, (item) => [h("span", { class: "code" }, shown(item.rule ?? "", 20)), shown(item.text, 800), item.node && mono(asText(item.node), 300), marked(shown(item.fix, 800))], 20, "blocker"),
    steps.length > 0 && [h("h3", {}, record.steps ? "What was changed" : "What would be changed"), longGrid(["Step", "What and why", "#Times"], steps, (item) => [h("span", { class: "kind" }, shown(asText(item.code).replaceAll("_", " "), 60)), shown(item.text, 800), asCount(item.count) > 0 ? number(item.count) : ""], 30, "step")],
    why && h("p", { class: "advice" }, `Weights: ${shown(why, 600)}`),
    notes.length > 0 && h("ul", { class: "reasons" }, [...new Set(notes)].slice(0, 40).map((text) => h("li", {}, shown(text, 800)))));
}

/* ---- findings ---- */

function findingsSection() {
  const found = asArray(data.findings).map(asObject);
  if (!found.length) return data.audited ? section("Findings", h("p", { class: "dim" }, "None.")) : null;
  const groups = new Map();
  for (const item of found) {
    const key = `${asText(item.severity)} ${asText(item.code)}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(item);
  }
  const more = asCount(data.more_findings);
  const list = h("div", { class: "questions" });
  return section("Findings", growing(list, [...groups.values()], findingGroup, 20, "rule"),
    more > 0 && h("p", { class: "dim" }, `and ${plural(more, "more finding")}, in audit.json`));
}

function findingGroup(items) {
  const [first] = items;
  const level = Math.max(0, SEVERITIES.includes(first.severity) ? SEVERITIES.indexOf(first.severity) : SEVERITIES.length - 1);
  const body = h("div", { class: "body" });
  const details = h("details", { class: "group" },
    h("summary", {}, severityBadge(level), h("span", { class: "title" }, shown(asText(first.name).replaceAll("-", " "), 100)), h("span", { class: "code" }, shown(first.code, 20)), h("span", { class: "number" }, number(items.length))), body);
  details.addEventListener("toggle", () => {
    if (!details.open || body.childElementCount) return;
    const list = h("ul", { class: "findings" });
    append(body, [first.fix && h("p", { class: "fix" }, h("span", { class: "label" }, "What helps"), marked(shown(first.fix, 1000))), growing(list, items, findingRow, 15, "finding")].flat());
  });
  return details;
}

function findingRow(item) {
  const where = asObject(item.location);
  const place = [where.function, where.node, where.attr].map(asText).filter(Boolean).join(" / ");
  return h("li", {}, h("p", {}, shown(item.message, 1000)), place && h("p", { class: "place" }, mono(place, 400)));
}

/* ---- the model ---- */

function modelSection() {
  const metas = asArray(asObject(data.inspect).meta_graphs).map(asObject);
  return metas.map((meta, index) => {
    const graph = asObject(meta.graph);
    const ends = asObject(graph.endpoints);
    const signatures = Object.entries(asObject(meta.signatures));
    const ops = Object.entries(asObject(graph.ops));
    const weights = asArray(graph.largest_weights).map(asObject);
    const facts = [
      `${plural(asCount(graph.nodes), "node")}`,
      asCount(graph.functions) > 0 && plural(asCount(graph.functions), "function"),
      asCount(graph.parameters) > 0 && `${number(asCount(graph.parameters))} parameters`,
      meta.tensorflow_version && `TensorFlow ${shown(meta.tensorflow_version, 30)}`,
      asArray(meta.tags).length > 0 && `tags ${asArray(meta.tags).map((tag) => shown(tag, 40)).join(", ")}`,
    ];
    const specs = (side, rows) => rows.length > 0 && [h("h3", {}, side), rows.some(([name]) => name)
      ? longGrid(["Name", "Tensor", "Type", "Shape"], rows, ([name, spec]) => [shown(name, 200), mono(asText(spec?.tensor), 300), shown(spec?.dtype, 40), shapeText(spec?.shape)], 20, "tensor")
      : longGrid(["Tensor", "Type", "Shape"], rows, ([, spec]) => [mono(asText(spec?.tensor), 300), shown(spec?.dtype, 40), shapeText(spec?.shape)], 20, "tensor")];
    return section(metas.length > 1 ? `Model, meta graph ${index + 1}` : "Model",
      h("p", { class: "dim" }, facts.filter(Boolean).join(" · ")),
      signatures.slice(0, 20).map(([key, one]) => h("div", {}, h("h3", {}, "Signature ", mono(key, 200)), h("div", { class: "columns" },
        h("div", {}, specs("Inputs", Object.entries(asObject(one?.inputs)))), h("div", {}, specs("Outputs", Object.entries(asObject(one?.outputs))))))),
      !signatures.length && h("div", { class: "columns" }, ["inputs", "outputs"].map((side) => h("div", {}, specs(side === "inputs" ? "Inputs, as the graph suggests" : "Outputs, as the graph suggests", asArray(ends[side]).map((spec) => ["", spec]))))),
      h("div", { class: "columns" },
        ops.length > 0 && h("div", {}, h("h3", {}, "Ops"), longGrid(["Op", "#Count"], ops, ([op, count]) => [shown(op, 200), number(asCount(count))], 15, "op")),
        weights.length > 0 && h("div", {}, h("h3", {}, "Largest weights"), longGrid(["Name", "Type", "Shape", "#Size"], weights, (item) => [mono(asText(item.name), 300), shown(item.dtype, 40), shapeText(item.shape), size(asCount(item.bytes))], 12, "weight"))));
  });
}

/** The picture, drawn at once where it is small, else when it is asked for. */
function pictureSection() {
  if (!data.scene) return data.drawing ? section("Picture", h("p", { class: "dim" }, "Not drawn here. This draws it:"), copied(asText(data.drawing), "the command")) : null;
  const place = h("div", {});
  const draw = () => place.childElementCount || place.append(picturesOf([{ label: "", scene: data.scene }]));
  if (data.at_once) {
    draw();
    return section("Picture", place);
  }
  const details = h("details", { class: "draw" }, h("summary", {}, "Draw the graph"), place);
  details.addEventListener("toggle", () => details.open && draw());
  return section("Picture", details);
}

function logSection() {
  const lines = asArray(data.log).map(asText);
  if (!lines.length) return null;
  const details = h("details", { class: "log" }, h("summary", {}, plural(lines.length, "line")));
  details.open = data.status === "failed";
  details.append(h("pre", { tabindex: "0" }, lines.map((line) => h("span", { class: "row" }, line))));
  return section("Log", details);
}

document.body.classList.add("one");
append(document.getElementById("app"), [
  live,
  h("header", { class: "top" },
    data.up && h("p", { class: "up" }, h("a", { href: data.up }, "All models of the batch")),
    h("div", { class: "masthead" }, h("h1", {}, modelName(asText(outcome.name))), themeButton()),
    h("p", { class: "notes" }, mono(asText(outcome.source), 600)),
    asArray(data.files).length > 0 && h("p", { class: "files" }, asArray(data.files).map((name) => h("a", { href: `./${encodeURIComponent(name)}` }, shown(name, 60))))),
  h("main", {}, fateSection(), proofSection(), tfliteSection(), planSection(), findingsSection(), pictureSection(), modelSection(), logSection()),
]);
