// On paper: the open model with all that is known of it, else the worst models in short.

const PRINTED_MODELS = 25;
const PRINTED_FINDINGS = 12; // of one model in the summary
const PRINTED_WHOLE = 300; // of a model that is printed by itself

function printedPart(data, rows, model) {
  if (model) {
    const counts = model.findings.slice(0, PRINTED_WHOLE);
    return [printedModel(data, model, counts), printedRest(model.findings.length - counts.length)];
  }
  const worst = [...rows].sort(byBadness).slice(0, PRINTED_MODELS);
  return [
    h("h2", {}, worst.length < rows.length ? `The ${number(worst.length)} worst of ${plural(rows.length, "model")}` : plural(rows.length, "model")),
    worst.map((row) => {
      const told = row.model.findings.slice(0, PRINTED_FINDINGS);
      return [printedModel(data, row.model, told), printedRest(row.model.findings.length - told.length)];
    }),
  ];
}

const printedRest = (count) => count > 0 && h("p", { class: "dim" }, `and ${plural(count, "more finding", "more findings")}`);

function printedModel(data, model, findings) {
  const groups = new Map();
  for (const item of findings) groups.set(item.code, [...(groups.get(item.code) ?? []), item]);
  return h("article", {},
    h("h3", {}, pathName(model)),
    h("p", {}, verdictBadge(model.verdict), " ", h("span", { class: "dim" }, modelFacts(model).join(" · "))),
    model.reasons.length > 0 && h("ul", {}, model.reasons.slice(0, 8).map((item) => h("li", {}, shown(item.text, 600), item.node && [" ", mono(item.node, 200)]))),
    [...groups].map(([code, items]) => h("div", { class: "rule" },
      h("p", {}, severityBadge(items[0].severity), " ", h("b", {}, shown(data.rules.get(code).title || items[0].name, 300)), " ", h("span", { class: "code" }, code)),
      h("ul", {}, items.map((item) => h("li", {}, shown(item.message, 600),
        item.argument && [" ", mono(item.argument, 400)],
        item.node && [h("span", { class: "dim" }, " at "), mono([item.function, item.node].filter(Boolean).join(" / "), 300)]))),
      items[0].fix && h("p", { class: "fix" }, shown(items[0].fix, 600)))));
}
