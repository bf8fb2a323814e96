// Time and size: by step, by format, the slowest, the largest.

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
