// What is not done and why: by cause and by rule, alike reasons as one; and what was left out.

/** What failed and what is blocked, by cause and by rule. */
function problemsView(data, actions) {
  const parts = ["failed", "blocked"].map((status) => {
    const groups = data.groups.filter((group) => group.status === status && group.models.length);
    if (!groups.length) return null;
    const total = groups.reduce((sum, group) => sum + group.models.length, 0);
    return [
      h("h2", { class: "part", data: { status } }, status === "failed" ? `Failed: ${plural(total, "model")}` : `Blocked by a rule: ${plural(total, "model")}`),
      status === "failed" && [h("p", { class: "how" }, "Once the causes are dealt with, this tries them again:"), copied(asText(data.commands.failed), "the command to try again")],
      groups.map((group) => problem(group, actions)),
    ];
  });
  return parts.some(Boolean) ? h("div", { class: "prosaic" }, parts) : h("p", { class: "empty" }, "Nothing failed, and nothing is blocked.");
}

function problem(group, actions) {
  const folds = new Map();
  for (const model of group.models) {
    const pieces = reasonPieces(model.reason);
    const key = pieces.map((piece, index) => (index % 2 ? (/^\d/.test(piece) ? "#" : "''") : piece)).join("");
    if (!folds.has(key)) folds.set(key, { models: [], pieces, differs: new Set() });
    const fold = folds.get(key);
    fold.models.push(model);
    for (let index = 1; index < pieces.length; index += 2) if (pieces[index] !== fold.pieces[index]) fold.differs.add(index);
  }
  const kinds = [...folds.values()].sort((a, b) => b.models.length - a.models.length);
  const list = h("div", { class: "questions" });
  return h("section", { class: "reasons-group", data: { status: group.status } },
    groupHead(group, actions),
    growing(list, kinds, (fold) => reasonRow(fold, kinds.length <= 2 && fold.models.length <= 5), 5, "other reason"));
}

/** A reason in parts, the odd ones numbers and quoted names: no name holds a space or a bracket. */
const reasonPieces = (reason) => reason.split(/((?<![^\s([=])(?:'[^'"\s<>]{1,300}'|"[^'"\s<>]{1,300}")(?!\w)|\d[\d,.]*)/);

/** Models that failed alike. Where their words differ, the title has none of them. */
function reasonRow({ models, pieces, differs }, isOpen) {
  const title = pieces.map((piece, index) => (differs.has(index) ? "…" : piece)).join("");
  const body = h("div", { class: "body" });
  const details = h("details", { class: "group" },
    h("summary", {}, h("span", { class: "title said" }, title || "no reason was told"), h("span", { class: "number" }, number(models.length))), body);
  const fill = () => body.childElementCount || append(body, [modelLinks(models, differs.size > 0)].flat());
  details.addEventListener("toggle", () => details.open && fill());
  if (isOpen) {
    details.open = true;
    fill();
  }
  return details;
}

/* ---- left out ---- */

/** Files of the sources that are nothing to migrate, with a search of its own. */
function leftOutView(data) {
  const { files, count } = data.leftOut;
  const list = h("div", {});
  const search = h("input", { type: "search", placeholder: "Search these files", "aria-label": "Search the files that were left out", autocomplete: "off", spellcheck: "false" });
  const kinds = new Map();
  for (const file of files) kinds.set(file.kind, (kinds.get(file.kind) ?? 0) + 1);
  const choice = h("select", { "aria-label": "Filter by kind" }, h("option", { value: "" }, "All kinds"),
    [...kinds].sort((a, b) => b[1] - a[1]).map(([kind, some]) => h("option", { value: kind }, `${kind} (${number(some)})`)));
  const draw = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = files.filter((file) => (!choice.value || file.kind === choice.value) && words.every((word) => file.hay.includes(word)));
    const body = h("tbody");
    replace(list, found.length === 0 ? h("p", { class: "empty" }, "Nothing matches.") : h("div", {},
      h("table", { class: "plain-table left-out" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "File"), h("th", { scope: "col" }, "Why"))), body)));
    if (found.length) list.firstChild.append(growing(body, found, (file) => h("tr", {}, h("td", {}, modelName(file.source)), h("td", { class: "dim" }, file.reason)), 100, "file")[1]);
  };
  search.addEventListener("input", draw);
  choice.addEventListener("change", draw);
  draw();
  return h("div", { class: "prosaic" },
    h("p", { class: "how" }, `${plural(count, "file")} of the sources ${count === 1 ? "is" : "are"} nothing to migrate, and ${count === 1 ? "was" : "were"} left out.`,
      files.length < count && ` The first ${number(files.length)} are named here.`),
    files.length > 0 && [h("div", { class: "filters" }, search, choice), list]);
}
