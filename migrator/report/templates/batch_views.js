// The views beside the table: what is to be decided, what is not done and why, time and size.

const FEW = 20; // entries drawn at first and with each further step
const SHOWN_ENTRIES = 12; // of a manifest, where more models share one question

/** Questions by kind, those of most models first. */
function decisionsView(data, actions) {
  const groups = data.groups.filter((group) => group.status === "needs_decision" && group.models.length);
  if (!groups.length) return h("p", { class: "empty" }, "Nothing waits for a decision.");
  return h("div", { class: "prosaic" },
    h("p", { class: "how" }, "Copy the entries into a file, correct what stands in them, and go on with it:"),
    copied(asText(data.commands.needs_decision), "the command to go on"),
    groups.map((group) => {
      const asked = data.decisions.filter((item) => item.models[0].group === group);
      const list = h("div", { class: "questions" });
      return h("section", { class: "reasons-group", data: { status: "needs_decision" } },
        groupHead(group, actions, bulkButton(`Copy ${group.models.length === 1 ? "the entry" : `all ${number(group.models.length)} entries`}`, () => manifestOf(group.models, data.base))),
        growing(list, asked, (item, index) => question(item, data, actions, asked.length <= 3), FEW, "question"));
    }));
}

function groupHead(group, actions, ...buttons) {
  const code = group.status === "blocked" && group.key;
  return h("header", { class: "group-head" },
    h("h2", {}, h("i", { class: "glyph", "aria-hidden": "true" }), group.title, " ", code && h("span", { class: "code" }, group.key)),
    h("span", { class: "many" }, plural(group.models.length, "model")),
    h("span", { class: "spring" }),
    buttons,
    h("button", { type: "button", class: "quiet", on: { click: () => actions.group(group.index) } }, "Show in the table"),
    h("p", { class: "advice" }, marked(group.advice)));
}

/** One question: who asks it, what the answers may be, what to write. */
function question(item, data, actions, isOpen) {
  const [first] = item.models;
  const more = item.models.length - 1;
  const body = h("div", { class: "body" });
  const details = h("details", { class: "group" },
    h("summary", {}, h("span", { class: "title" }, modelName(first.name), more > 0 && h("span", { class: "dim" }, ` and ${plural(more, "more model")} with the same question`)), h("span", { class: "number" }, number(item.models.length))),
    body);
  const fill = () => {
    if (body.childElementCount) return;
    const some = item.models.slice(0, SHOWN_ENTRIES);
    const text = manifestOf(some, data.base);
    append(body, [
      first.reason && h("p", { class: "reason" }, first.reason),
      candidateTable(item.candidates),
      h("h4", {}, more > 0 ? `Entries of the manifest${some.length < item.models.length ? `, the first ${SHOWN_ENTRIES}` : ""}` : "Entry of the manifest"),
      copied(text, "the entries"),
      some.length < item.models.length && h("p", {}, bulkButton(`Copy all ${number(item.models.length)} entries`, () => manifestOf(item.models, data.base))),
      h("h4", {}, more > 0 ? "Models" : "Model"),
      modelLinks(item.models),
    ]);
  };
  details.addEventListener("toggle", () => details.open && fill());
  if (isOpen) {
    details.open = true;
    fill();
  }
  return details;
}

/** Models by name, each a link to its panel. */
function modelLinks(models) {
  const list = h("ul", { class: "affected" });
  return growing(list, models, (model) => h("li", {}, h("a", { href: modelAddress(model) }, modelName(model.name)), model.before > 0 && h("span", { class: "dim" }, size(model.before))), 8, "model");
}

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
  const reasons = new Map();
  for (const model of group.models) {
    const alike = model.reason.replace(/'[^']*'|"[^"]*"/g, "…").replace(/\d+/g, "#");
    if (!reasons.has(alike)) reasons.set(alike, []);
    reasons.get(alike).push(model);
  }
  const kinds = [...reasons.values()].sort((a, b) => b.length - a.length);
  const list = h("div", { class: "questions" });
  return h("section", { class: "reasons-group", data: { status: group.status } },
    groupHead(group, actions),
    growing(list, kinds, (models) => reasonRow(models, kinds.length <= 2 && models.length <= 5), 5, "other reason"));
}

/** Models that failed alike: the first one's words stand for all. */
function reasonRow(models, isOpen) {
  const body = h("div", { class: "body" });
  const details = h("details", { class: "group" },
    h("summary", {}, h("span", { class: "title said" }, models[0].reason || "no reason was told"), h("span", { class: "number" }, number(models.length))), body);
  const fill = () => body.childElementCount || append(body, [modelLinks(models)].flat());
  details.addEventListener("toggle", () => details.open && fill());
  if (isOpen) {
    details.open = true;
    fill();
  }
  return details;
}

/* ---- time and size ---- */

function costsView(data) {
  const done = data.models.filter((model) => DONE.has(model.status) && model.after > 0);
  return h("div", { class: "prosaic costs" }, [
    h("section", {}, h("h2", {}, "Time by step"), stepTable(data)),
    h("section", {}, h("h2", {}, "Size by format, of models that are done"), done.length ? sizeTable(done) : h("p", { class: "dim" }, "There is no result.")),
    h("section", {}, h("h2", {}, "Took longest"), topTable(data.models, (model) => model.time, duration, "Time")),
    h("section", {}, h("h2", {}, "Largest sources"), topTable(data.models, (model) => model.before, size, "Before", (model) => (model.after ? size(model.after) : ""))),
  ]);
}

function stepTable(data) {
  const rows = data.steps.map(([step, values]) => {
    const ran = values.map(asAmount).filter((value) => value > 0).sort((a, b) => a - b);
    const at = (share) => ran[Math.min(ran.length - 1, Math.floor(share * ran.length))] ?? 0;
    return { step, models: ran.length, sum: ran.reduce((sum, value) => sum + value, 0), half: at(0.5), most: at(0.99) };
  });
  const all = rows.reduce((sum, row) => sum + row.sum, 0) || 1;
  return figures(["Step", "Models", "Sum", "Share", "Median", "99 %"], rows.map((row) => [
    shown(row.step, 40), number(row.models), duration(row.sum), shareBar(row.sum / all), duration(row.half), duration(row.most)]), "No times are known.");
}

function sizeTable(done) {
  const sums = new Map();
  for (const model of done) {
    const row = sums.get(model.format) ?? { models: 0, before: 0, after: 0 };
    sums.set(model.format, { models: row.models + 1, before: row.before + model.before, after: row.after + model.after });
  }
  const rows = [...sums].sort((a, b) => b[1].before - a[1].before);
  const line = (word, row) => [word, number(row.models), size(row.before), size(row.after), row.before ? `${((100 * row.after) / row.before).toFixed(0)} %` : ""];
  const total = rows.reduce((sum, [, row]) => ({ models: sum.models + row.models, before: sum.before + row.before, after: sum.after + row.after }), { models: 0, before: 0, after: 0 });
  return figures(["Format", "Models", "Before", "After", ""], [...rows.map(([key, row]) => line(formatWord(key) || "unknown", row)), rows.length > 1 && line("All", total)].filter(Boolean), "");
}

function topTable(models, value, word, head, more = null) {
  const top = topOf(models, value, 10);
  if (!top.length) return h("p", { class: "dim" }, "Nothing is known.");
  return h("table", { class: "plain-table" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Model"), h("th", { scope: "col", class: "figure" }, head), more && h("th", { scope: "col", class: "figure" }, "After"))),
    h("tbody", {}, top.map((model) => h("tr", {}, h("td", {}, h("a", { href: modelAddress(model) }, modelName(model.name))), h("td", { class: "figure" }, word(value(model))), more && h("td", { class: "figure" }, more(model))))));
}

/** The models with the largest values, none that has no value. One pass. */
function topOf(models, value, most) {
  let top = [];
  for (const model of models) {
    const mine = value(model);
    if (!mine || (top.length === most && mine <= value(top[most - 1]))) continue;
    top.push(model);
    top.sort((a, b) => value(b) - value(a));
    top = top.slice(0, most);
  }
  return top;
}

function shareBar(share) {
  const bar = h("i", { class: "bar", "aria-hidden": "true" });
  bar.style.width = `${(100 * share).toFixed(1)}%`;
  return [h("span", { class: "track" }, bar), h("span", { class: "percent" }, `${(100 * share).toFixed(0)} %`)];
}

function figures(heads, rows, nothing) {
  if (!rows.length) return h("p", { class: "dim" }, nothing);
  return h("table", { class: "plain-table" }, h("thead", {}, h("tr", {}, heads.map((text, index) => h("th", { scope: "col", class: index ? "figure" : false }, text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, index) => (index ? h("td", { class: "figure" }, cell) : h("th", { scope: "row" }, cell)))))));
}
