// One rule: its whole text, and the models where it found something.

const SECTIONS = [
  ["detects", "What it detects"],
  ["matters", "Why it matters"],
  ["fix", "How to fix"],
  ["limits", "Limits"],
];

function rulePanel(data, rule, actions) {
  const models = new Map();
  for (const item of data.findings) {
    if (item.code === rule.code) models.set(item.model, (models.get(item.model) ?? 0) + 1);
  }
  const listed = [...models].sort((a, b) => b[1] - a[1] || (a[0].source < b[0].source ? -1 : 1));
  const facts = [
    familyWord(rule.family),
    rule.confidence && `confidence ${shown(rule.confidence, 60)}`,
    rule.since && `since ${shown(rule.since, 60)}`,
    rule.deep && "reads weights (--deep)",
  ];
  return h("article", { class: "detail" },
    h("header", {},
      h("h2", { tabindex: -1 }, shown(rule.title || rule.name || rule.code, 300)),
      h("p", { class: "facts" }, severityBadge(rule.severity), " ", h("code", {}, shown(rule.code, 60)), " ", h("code", {}, shown(rule.name, 100)), " · ", facts.filter(Boolean).join(" · "))),
    ruleText(rule),
    h("section", {},
      h("div", { class: "headline" },
        h("h3", {}, "Models ", h("span", { class: "dim" }, number(listed.length))),
        h("button", { type: "button", class: "quiet", on: { click: () => actions.code(rule.code) } }, "Filter the overview by this rule")),
      growing(h("ul", { class: "affected" }), listed, ([model, count]) =>
        h("li", {}, h("a", { href: modelAddress(model) }, pathName(model)), h("span", { class: "dim" }, plural(count, "finding"))), 30, "model")));
}

/** A section's text goes on from its heading; under the heading it begins a sentence. */
const sentence = (text) => text.replace(/^[a-z](?=[a-z]*[ ,])/, (letter) => letter.toUpperCase());

/** The rule's own words; nothing where the result does not hold them. */
function ruleText(rule) {
  const parts = SECTIONS.filter(([key]) => asText(rule.sections[key])).map(([key, heading]) => [
    h("h4", {}, heading),
    sentence(asText(rule.sections[key])).split(/\n\s*\n/).map((text) => h("p", {}, marked(text.trim().replace(/\s+/g, " ")))),
  ]);
  const ops = rule.looksAt.filter(Boolean);
  if (ops.length) parts.push([h("h4", {}, "Looks at"), h("p", { class: "names" }, ops.slice(0, 80).map((op) => h("code", {}, shown(op, 100))), ops.length > 80 && `and ${number(ops.length - 80)} more`)]);
  return h("section", { class: "prose" }, parts.length ? parts : h("p", { class: "dim" }, `Ask "migrator explain ${rule.code}" for its text.`));
}

/** The same below a rule's findings, closed at first. */
function aboutRule(data, rule) {
  const details = h("details", { class: "about" }, h("summary", {}, "About this rule"));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    append(details, [ruleText(rule), h("p", {}, h("a", { href: ruleAddress(rule.code) }, "All models that it found something in"))]);
  });
  return details;
}
