// Two models: what changed in words, the picture of both, and tables of all changes.

const data = JSON.parse(document.getElementById("data").textContent);
const result = asObject(data.result);
const ORDER = new Map([["removed", 0], ["added", 1], ["changed", 2], ["rewired", 3], ["renamed", 4]]);
const MOST_CHANGES = 20; // of one node

const rowsOf = (value) => asArray(value).map(asObject);
const text = (value, most = 300) => shown(typeof value === "string" ? value : asText(value), most);
const figure = (value) => (typeof value === "number" ? String(Number(value.toPrecision(3))) : "");
const pathOf = (side) => text(typeof side === "string" ? side : asObject(side).path, 300);
const knownKind = (kind) => (KINDS.includes(kind) ? kind : "changed");
const named = (one) => one.right || one.left;

const kindMark = (kind) => h("i", { "aria-hidden": "true" }, KIND_MARKS[kind]);
const kindCell = (kind) => h("span", { class: "kind", data: { kind: knownKind(kind) } }, kindMark(knownKind(kind)), text(kind, 40));

function changeList(changes) {
  const rows = rowsOf(changes);
  if (!rows.length) return null;
  const line = (one) => h("div", {}, h("dt", {}, text(one.field, 80)), h("dd", {}, h("del", {}, text(one.left) || "—"), " → ", h("ins", {}, text(one.right) || "—")));
  const rest = rows.length - MOST_CHANGES;
  return h("dl", {}, rows.slice(0, MOST_CHANGES).map(line), rest > 0 && h("div", {}, h("dt", {}), h("dd", { class: "dim" }, `and ${number(rest)} more`)));
}

function nameCell(one) {
  const was = one.left && one.right && one.left !== one.right;
  return [nodeName(named(one)), was && h("div", { class: "dim" }, "was ", h("code", {}, text(one.left)))];
}

/* ---- columns of the tables ---- */

const plainColumn = (title, field, most = 200) => ({ title, key: (one) => asText(one[field]), cell: (one) => text(one[field], most) });
const codeColumn = (title, field) => ({ title, key: (one) => asText(one[field]), cell: (one) => h("code", {}, text(one[field])) });
const countColumn = (title, field) => ({ title, figure: true, key: (one) => asCount(one[field]), cell: (one) => number(asCount(one[field])) });
const figureColumn = (title, field, draw = figure) => ({ title, figure: true, key: (one) => (typeof one[field] === "number" ? one[field] : null), cell: (one) => draw(one[field]) });
const kindColumn = { title: "What", key: (one) => asText(one.kind), cell: (one) => kindCell(one.kind) };
const nameColumn = (title) => ({ title, key: (one) => [named(one), one.left].filter((part, at, all) => part && all.indexOf(part) === at).map(asText).join(" "), cell: nameCell });
const changesColumn = { title: "Details", key: (one) => rowsOf(one.changes).map((change) => `${asText(change.field)} ${asText(change.left)} ${asText(change.right)}`).join(" "), cell: (one) => changeList(one.changes) };
const percent = (value) => (typeof value === "number" ? `${figure(value * 100)} %` : "");

function tables() {
  const nodes = rowsOf(result.nodes).sort((a, b) => (ORDER.get(a.kind) ?? 9) - (ORDER.get(b.kind) ?? 9));
  return h("div", { class: "below" },
    tableSection("Changed nodes", [kindColumn, nameColumn("Node"), plainColumn("Op", "op", 80), changesColumn], nodes, "node", { node: named }),
    tableSection("Renamed scopes", [codeColumn("Before", "left"), codeColumn("After", "right"), countColumn("Nodes", "nodes")], rowsOf(result.scopes), "scope"),
    tableSection("Weights", [plainColumn("What", "kind", 40), nameColumn("Weight"), countColumn("Elements", "elements"), figureColumn("Differ", "share", percent), figureColumn("Largest", "max_abs"), figureColumn("Mean", "mean_abs")], rowsOf(result.weights), "weight", { node: named }),
    tableSection("Signatures", [kindColumn, plainColumn("Signature", "key"), changesColumn], rowsOf(result.signatures), "signature"),
    tableSection("Functions", [kindColumn, nameColumn("Function"), countColumn("Nodes", "nodes")], rowsOf(result.functions), "function"),
    tableSection("Besides the graph", [plainColumn("What", "field", 100), plainColumn("Before", "left", 300), plainColumn("After", "right", 300)], rowsOf(result.others), "change"));
}

/* ---- the page ---- */

const summary = asObject(result.summary);
const headline = typeof result.headline === "string" ? [result.headline] : asArray(result.headline);
const tally = (kind) => h("span", { class: "kind", data: { kind } }, kindMark(kind), h("b", {}, number(asCount(summary[kind]))), ` ${kind}`);
const picture = data.scenes.length > 0 ? picturesOf(data.scenes, onPage.take) : noPicture(data.note);
append(document.getElementById("app"), [
  live,
  h("header", { class: "top" },
    h("div", { class: "masthead" }, h("h1", {}, pathOf(result.left), h("span", { class: "dim" }, " → "), pathOf(result.right)), themeButton()),
    h("ul", { class: "headline" }, headline.map((one) => h("li", {}, text(one, 400)))),
    h("p", { class: "tallies" }, KINDS.filter((kind) => asCount(summary[kind])).map(tally), result.identical === true && "Identical")),
  h("main", {}, picture, tables()),
]);
