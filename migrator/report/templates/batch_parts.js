// Small pieces of the batch's views.

const statusBadge = (status) =>
  h("span", { class: "verdict", data: { status } }, h("i", { class: "glyph", "aria-hidden": "true" }), STATUS_WORDS[status]);

/** A model's name with its last part set off; in one line, or with room to break. */
function modelName(name, isLine = false) {
  const cut = name.lastIndexOf("/") + 1;
  const folder = shown(name.slice(0, cut), 400);
  return h("span", { class: "name" }, cut > 0 && h("span", { class: "dim" }, isLine ? folder : breaking(folder)), h("b", {}, shown(name.slice(cut) || "(no name)", 300)));
}

/** "3 critical, 4 high", at most the two gravest. */
const graveWords = (counts) => severityList(counts).split(", ").slice(0, 2).join(", ");

/** Lines to copy, with a button that does. `what` says it to those who do not see it. */
function copied(text, what) {
  const lines = text.replace(/\n$/, "").split("\n").map((line) => shown(line));
  const box = h("pre", { tabindex: "0" }, lines.map((line) => h("span", { class: "row" }, line || " ")));
  return h("div", { class: "options" }, h("div", { class: "line" }, box, bulkButton("Copy", () => lines.join("\n") + (lines.length > 1 ? "\n" : ""), what)));
}

/** One entry of a manifest. Quoted as JSON, which YAML takes; `lines` say what is decided. */
function entryOf(name, source, lines) {
  const quoted = (text) => shown(JSON.stringify(text));
  return [`- name: ${quoted(name)}`, `  source: ${quoted(source)}`, ...lines.map((line) => `  ${shown(line)}`)].join("\n") + "\n";
}

const manifestOf = (models, base) => "models:\n" + models.map((model) => entryOf(model.name, base + model.source, model.decision?.lines ?? [])).join("");

/** A button that copies what `make` gives when it is asked for: lines, or a text too long to show. */
function bulkButton(label, make, what = "") {
  const button = h("button", { type: "button", class: "quiet copy", "aria-label": what ? `Copy ${what}` : false }, label);
  button.addEventListener("click", async () => {
    const done = await copyText(make());
    button.textContent = done ? "Copied" : "Cannot copy";
    announce(done ? "Copied" : "Copying is not possible here");
    setTimeout(() => (button.textContent = label), 1600);
  });
  return button;
}

/** The candidates of a decision as a table. */
function candidateTable(rows) {
  if (!rows.length) return null;
  const has = [0, 1, 2, 3, 4].map((index) => rows.some((row) => row[index] !== "" && row[index] !== null && row[index] !== undefined));
  const heads = ["For", "Candidate", "Type", "Score", "Because"];
  const cell = (row, index) =>
    index === 3 ? h("td", { class: "figure" }, Number.isFinite(row[3]) ? row[3].toFixed(2) : "")
    : h("td", { class: ["short", "named", "short", "", "because"][index] }, index === 1 ? mono(asText(row[1]), 400) : shown(asText(row[index]), 400));
  const columns = [0, 1, 2, 3, 4].filter((index) => has[index]);
  return h("div", { class: "wide-table" }, h("table", { class: "plain-table" },
    h("thead", {}, h("tr", {}, columns.map((index) => h("th", { scope: "col", class: ["", "", "", "figure", "because"][index] || false }, heads[index])))),
    h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((index) => cell(row, index)))))));
}
