// The three views of the zoo: its models, the rules that found something, what was skipped.

const ROWS = 100; // drawn at first and with each further step

/** The table of models. `rows`: what select() left, in order. */
function modelsView(rows, state, actions) {
  if (!rows.length) return nothing(state, actions);
  const order = { current: state.sort, reverse: state.reverse, sort: actions.sort };
  const body = h("tbody");
  const table = h("table", { class: "models", "aria-rowcount": rows.length + 1 },
    h("caption", { class: "offscreen" }, "Models, with their readiness and findings"),
    h("thead", {}, h("tr", {},
      sortHeading("Model", "path", { ...order, class: "model" }),
      sortHeading("Format", "format", { ...order, class: "wide" }),
      sortHeading("Size", "size", { ...order, class: "wide count" }),
      sortHeading("Nodes", "nodes", { ...order, class: "wide count" }),
      sortHeading("Readiness", "readiness", { ...order, class: "readiness" }),
      SEVERITIES.map((name, level) =>
        sortHeading(SEVERITY_WORDS[level], name, { ...order, class: "level", hint: `Sort by findings of severity ${name}` })))),
    body);
  const [, more] = growing(body, rows, (row) => modelRow(row, state), ROWS, "model");
  return [table, more];
}

function modelRow({ model, counts }, state) {
  const open = state.model === model.key;
  return h("tr", { data: { key: model.key }, class: open ? "open" : false },
    h("th", { scope: "row", class: "model" },
      h("a", { href: modelAddress(model), "aria-current": open ? "true" : false }, pathName(model)),
      h("span", { class: "facts narrow" }, modelFacts(model).join(" · "))),
    h("td", { class: "wide" }, model.formatWord),
    h("td", { class: "wide count" }, model.bytes ? size(model.bytes) : ""),
    h("td", { class: "wide count" }, model.nodes ? number(model.nodes) : ""),
    h("td", { class: "readiness" }, verdictBadge(model.verdict)),
    counts.map((count, level) => h("td", { class: "level" }, levelCount(count, level))));
}

/** A count in a severity's colour; a zero is there to hear, and hardly to see. */
const levelCount = (count, level) =>
  count
    ? h("span", { class: "tally", data: { severity: SEVERITIES[level] } }, number(count), h("span", { class: "word" }, ` ${SEVERITIES[level]}`))
    : h("span", { class: "zero" }, "0");

const modelAddress = (model) => "#" + new URLSearchParams({ model: model.key });
const ruleAddress = (code) => "#" + new URLSearchParams({ rule: code });

const modelFacts = (model) =>
  [
    model.formatWord,
    model.bytes ? size(model.bytes) : "",
    model.nodes ? plural(model.nodes, "node") : "",
  ].filter(Boolean);

/** The table of rules, by what they found under the filters (but for a chosen rule). */
function rulesView(data, selection, state, actions) {
  const rows = [...data.rules.values()]
    .map((rule) => ({ rule, ...(selection.facets.code.get(rule.code) ?? { findings: 0, models: 0 }) }))
    .filter((row) => row.findings > 0)
    .sort((a, b) => a.rule.severity - b.rule.severity || b.models - a.models || (a.rule.code < b.rule.code ? -1 : 1));
  if (!rows.length) return nothing(state, actions);
  const most = Math.max(...rows.map((row) => row.models));
  return h("table", { class: "rules" },
    h("caption", { class: "offscreen" }, "Rules that found something"),
    h("thead", {}, h("tr", {},
      h("th", { scope: "col" }, "Rule"),
      h("th", { scope: "col", class: "wide" }, "Family"),
      h("th", { scope: "col" }, "Severity"),
      h("th", { scope: "col", class: "count" }, "Findings"),
      h("th", { scope: "col", class: "share" }, "Models"),
      h("th", { scope: "col" }, h("span", { class: "offscreen" }, "Filter")))),
    h("tbody", {}, rows.map((row) => ruleRow(row, most, state, actions))));
}

function ruleRow({ rule, findings, models }, most, state, actions) {
  const bar = h("i", { class: "bar", "aria-hidden": "true", data: { severity: SEVERITIES[rule.severity] } });
  bar.style.width = `${Math.max(2, (100 * models) / most)}%`;
  const chosen = state.code === rule.code;
  return h("tr", { data: { rule: rule.code }, class: chosen || state.rule === rule.code ? "open" : false },
    h("th", { scope: "row", class: "model" },
      h("a", { href: ruleAddress(rule.code) }, h("span", { class: "name" }, h("b", {}, shown(rule.title || rule.name, 300)))),
      h("span", { class: "facts" }, h("code", {}, shown(rule.code, 60)), " ", shown(rule.name, 100))),
    h("td", { class: "wide" }, familyWord(rule.family)),
    h("td", {}, severityBadge(rule.severity)),
    h("td", { class: "count" }, number(findings)),
    h("td", { class: "share" }, h("span", {}, number(models)), h("span", { class: "track" }, bar)),
    h("td", {}, h("button", { type: "button", class: "quiet", "aria-pressed": chosen ? "true" : "false", "aria-label": `Only models with ${rule.code}`, on: { click: () => actions.code(chosen ? "" : rule.code) } }, chosen ? "Filtered" : "Filter")));
}

/** What could not be audited, and why. */
function skippedView(selection, data, state, actions) {
  if (!data.skipped.length) return h("p", { class: "empty" }, "Nothing was skipped: all files were read, and all rules ran.");
  if (!selection.skipped.length) return nothing(state, actions);
  const list = h("ul", { class: "skipped" });
  const draw = (item) =>
    h("li", {},
      h("span", { class: "name" }, h("b", {}, shown(item.short, 500))),
      h("span", { class: "facts" }, item.rule ? ["the rule ", h("code", {}, item.rule), " did not run on it"] : "not read"),
      h("p", {}, shown(item.reason, 2000)));
  return growing(list, selection.skipped, draw, ROWS, "entry");
}

function nothing(state, actions) {
  const filtered = actions.filtered();
  return h("div", { class: "empty" },
    h("p", {}, filtered ? "Nothing matches the filters." : "No model was audited."),
    filtered && h("button", { type: "button", on: { click: actions.clear } }, "Clear all filters"));
}
