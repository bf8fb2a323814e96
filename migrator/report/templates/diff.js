// Two models: what changed in words, the picture of both, and tables of all changes.

const data = JSON.parse(document.getElementById("data").textContent);
const result = asObject(data.result);
let thePicture = null;
let theScene = null;
const cellByName = new Map();

const list = (...values) => values.flatMap((value) => asArray(value));
const text = (value, most = 300) => shown(typeof value === "string" ? value : asText(value), most);

function changeList(changes) {
  const rows = asArray(changes).map(asObject);
  return rows.length > 0 && h("dl", {}, rows.slice(0, 20).map((one) => h("div", {}, h("dt", {}, text(one.field, 80)), h("dd", {}, h("del", {}, text(one.left) || "—"), " → ", h("ins", {}, text(one.right) || "—")))), rows.length > 20 && h("div", {}, h("dt", {}), h("dd", { class: "dim" }, `and ${number(rows.length - 20)} more`)));
}

const knownKind = (kind) => (KINDS.includes(kind) ? kind : "changed");
const kindCell = (kind) => h("span", { class: "kind", data: { kind: knownKind(kind) } }, h("i", { "aria-hidden": "true" }, KIND_MARKS[knownKind(kind)]), text(kind, 40));

function nameCell(one) {
  const target = cellByName.get(one.right || one.left);
  const name = text(one.right || one.left, 300);
  return [target === undefined ? h("code", {}, name) : h("button", { type: "button", class: "link", on: { click: () => { thePicture.jump(target); document.querySelector(".picture").scrollIntoView({ block: "nearest" }); } } }, name),
    one.left && one.right && one.left !== one.right && h("div", { class: "dim" }, "was ", h("code", {}, text(one.left, 300)))];
}

/** A table that shows some rows and brings more when asked. */
function longTable(heads, rows, draw, what) {
  const body = h("tbody", { class: "rows" });
  let count = 0;
  const more = h("button", { type: "button", class: "more" });
  const grow = () => {
    for (const until = Math.min(rows.length, count + 100); count < until; count++) body.append(draw(rows[count]));
    more.hidden = count >= rows.length;
    more.textContent = `Show more (${plural(rows.length - count, what)} left)`;
  };
  more.addEventListener("click", grow);
  grow();
  return [h("table", {}, h("thead", {}, h("tr", {}, heads.map((one) => h("th", { scope: "col" }, one)))), body), more];
}

function section(title, rows, heads, draw, what) {
  return rows.length > 0 && h("section", { class: "wide" }, h("h2", {}, `${title} (${number(rows.length)})`), longTable(heads, rows, draw, what));
}

const figure = (value) => (typeof value === "number" ? String(Number(value.toPrecision(3))) : "");
const order = { removed: 0, added: 1, changed: 2, rewired: 3, renamed: 4 };
const summary = asObject(result.summary);
const headline = typeof result.headline === "string" ? [result.headline] : asArray(result.headline);
const nodes = asArray(result.nodes).map(asObject).sort((a, b) => (order[a.kind] ?? 9) - (order[b.kind] ?? 9));
const pathOf = (side) => text(typeof side === "string" ? side : asObject(side).path, 300);

const picture = data.scenes.length > 0 && picturesOf(data.scenes, (made, scene) => {
  thePicture = made;
  theScene = scene;
  cellByName.clear();
  // Names that both have are the right one's: what is removed comes last.
  for (let cell = scene.count - 1; cell >= 0; cell--) cellByName.set(scene.name(cell), cell);
});
append(document.getElementById("app"), [
  live,
  h("header", { class: "top" },
    h("div", { class: "masthead" }, h("h1", {}, pathOf(result.left), h("span", { class: "dim" }, " → "), pathOf(result.right)), themeButton()),
    h("ul", { class: "headline" }, headline.map((one) => h("li", {}, text(one, 400)))),
    h("p", { class: "tallies" }, KINDS.filter((kind) => asCount(summary[kind])).map((kind) => h("span", { class: "kind", data: { kind } }, h("i", { "aria-hidden": "true" }, KIND_MARKS[kind]), h("b", {}, number(asCount(summary[kind]))), ` ${kind}`)), result.identical === true && "Identical")),
  h("main", {}, picture, h("div", { class: "below" },
    section("Changed nodes", nodes, ["What", "Node", "Op", "Details"], (one) => h("tr", {}, h("td", {}, kindCell(one.kind)), h("td", {}, nameCell(one)), h("td", {}, text(one.op, 80)), h("td", {}, changeList(one.changes))), "node"),
    section("Renamed scopes", asArray(result.scopes).map(asObject), ["Before", "After", "Nodes"], (one) => h("tr", {}, h("td", {}, h("code", {}, text(one.left))), h("td", {}, h("code", {}, text(one.right))), h("td", {}, number(asCount(one.nodes)))), "scope"),
    section("Weights", asArray(result.weights).map(asObject), ["What", "Weight", "Elements", "Differ", "Largest", "Mean"], (one) => h("tr", {}, h("td", {}, text(one.kind, 40)), h("td", {}, nameCell(one)), h("td", {}, number(asCount(one.elements))), h("td", {}, typeof one.share === "number" ? `${figure(one.share * 100)} %` : ""), h("td", {}, figure(one.max_abs)), h("td", {}, figure(one.mean_abs))), "weight"),
    section("Signatures", asArray(result.signatures).map(asObject), ["What", "Signature", "Details"], (one) => h("tr", {}, h("td", {}, kindCell(one.kind)), h("td", {}, text(one.key, 200)), h("td", {}, changeList(one.changes))), "signature"),
    section("Functions", asArray(result.functions).map(asObject), ["What", "Function", "Nodes"], (one) => h("tr", {}, h("td", {}, kindCell(one.kind)), h("td", {}, nameCell(one)), h("td", {}, number(asCount(one.nodes)))), "function"),
    section("Besides the graph", list(result.others).map(asObject), ["What", "Before", "After"], (one) => h("tr", {}, h("td", {}, text(one.field, 100)), h("td", {}, text(one.left)), h("td", {}, text(one.right))), "change"))),
]);
