// One model: its readiness, and its findings by rule.

const FIRST_FINDINGS = 8; // of one rule
const FEW_FINDINGS = 25; // of one model: all groups are open

const VERDICT_TEXT = {
  blocked: "Something in the model stops a migration.",
  needs_you: "A migration needs a decision or something that the model does not hold.",
  ready_with_changes: "migrate makes these changes by itself.",
  ready: "It can be migrated as it is.",
  unknown: "No plan of a migration was made for it.",
};
const REASON_HEADINGS = {
  blocked: "What stands in the way",
  needs_you: "What to decide or supply",
  ready_with_changes: "What is changed",
  ready: "Notes",
  unknown: "Why",
};
const REACHED_WORDS = {
  load: "runs when the model is loaded",
  restore: "runs on restore",
  save: "runs on save",
  output: "an output needs it",
  init: "gives variables and tables their first values",
  train: "runs when it is trained",
  nothing: "reached by nothing",
};

function modelPanel(data, model, state, actions) {
  return h("article", { class: "detail" },
    h("header", {},
      h("h2", { tabindex: -1 }, pathName(model)),
      h("p", { class: "facts" }, [...modelFacts(model), model.tensorflow && `written by TensorFlow ${shown(model.tensorflow, 60)}`].filter(Boolean).join(" · ")),
      h("p", { class: "path" }, mono(model.source, 2000), copyButton(shown(model.source, 2000), "the path"))),
    readinessPart(data, model),
    findingsPart(data, model, state, actions),
    model.skipped.length > 0 && h("section", {},
      h("h3", {}, "Rules that did not run"),
      h("ul", { class: "plain" }, model.skipped.map((item) => h("li", {}, mono(item.rule), " ", shown(item.reason, 1000))))));
}

function readinessPart(data, model) {
  return h("section", { class: "readiness", data: { verdict: model.verdict } },
    h("h3", {}, h("span", { class: "offscreen" }, "Readiness: "), verdictBadge(model.verdict)),
    h("p", {}, VERDICT_TEXT[model.verdict]),
    model.verdict.startsWith("ready") && model.findings.some((item) => item.severity <= 1) &&
      h("p", { class: "caution" }, "That says nothing about its safety: see its findings before it runs."),
    model.reasons.length > 0 && [
      h("h4", {}, REASON_HEADINGS[model.verdict]),
      growing(h("ul", { class: "reasons" }), model.reasons, (reason) => reasonItem(data, reason), 12, "reason"),
    ],
    model.options.length > 0 && [
      h("h4", {}, model.options.length > 1 ? "Options to paste, the most plausible first" : "Option to paste"),
      growing(h("ol", { class: "options" }), model.options, optionItem, 6, "option"),
    ]);
}

const reasonItem = (data, reason) =>
  h("li", {},
    h("span", {}, shown(reason.text, 1000)),
    reason.node && [" ", mono(reason.node, 300)],
    reason.code && [" ", codeLink(data, reason.code)],
    reason.fix && h("p", { class: "fix" }, marked(shown(reason.fix, 1000))));

const optionItem = (option) =>
  h("li", {}, h("pre", {}, h("code", {}, shown(option, 4000))), copyButton(shown(option, 4000), "the option"));

/** A rule's code, as a link where its text is at hand. */
const codeLink = (data, code) =>
  data.rules.has(code) ? h("a", { class: "code", href: ruleAddress(code) }, shown(code, 60)) : h("span", { class: "code" }, shown(code, 60));

function findingsPart(data, model, state, actions) {
  const fits = fitting(model, state);
  const shownOnes = state.all ? model.findings : model.findings.filter(fits);
  const hidden = model.findings.length - model.findings.filter(fits).length;
  const counts = new Array(SEVERITIES.length).fill(0);
  for (const item of shownOnes) counts[item.severity] += 1;
  const heading = h("div", { class: "headline" },
    h("h3", {}, "Findings ", h("span", { class: "dim" }, number(shownOnes.length))),
    h("span", { class: "dim" }, severityList(counts)),
    hidden > 0 && h("button", { type: "button", class: "quiet", on: { click: actions.all } },
      state.all ? "Only what fits the filters" : `Show all ${number(model.findings.length)}`));
  if (!shownOnes.length) {
    const text = model.findings.length ? "None of its findings fits the filters." : "No rule found anything.";
    return h("section", {}, heading, h("p", { class: "dim" }, text));
  }
  const groups = new Map();
  for (const item of shownOnes) {
    if (!groups.has(item.code)) groups.set(item.code, []);
    groups.get(item.code).push(item);
  }
  const several = new Set(model.findings.map((item) => item.metaGraph).filter(Boolean)).size > 1;
  const few = shownOnes.length <= FEW_FINDINGS;
  return h("section", {}, heading,
    [...groups.values()].map((items) => ruleGroup(data, items, { several, open: few || items[0].severity <= 1 || groups.size <= 3 })));
}

/** The findings of one rule; what is inside is drawn when it is opened. */
function ruleGroup(data, items, { several, open, most = FIRST_FINDINGS }) {
  const rule = data.rules.get(items[0].code);
  const fixes = new Set(items.map((item) => item.fix));
  const shared = fixes.size === 1 ? items[0].fix : "";
  const body = h("div", { class: "body" });
  let drawn = false;
  const draw = () => {
    if (drawn) return;
    drawn = true;
    append(body, [
      shared && h("p", { class: "fix" }, h("span", { class: "label" }, "Remedy"), marked(shown(shared, 2000))),
      growing(h("ul", { class: "findings" }), items, (item) => findingItem(item, { several, fix: !shared }), most, "finding"),
      aboutRule(data, rule),
    ]);
  };
  const group = h("details", { class: "group", data: { code: rule.code }, on: { toggle: () => group.open && draw() } },
    h("summary", {},
      severityBadge(items[0].severity),
      h("span", { class: "title" }, shown(rule.title || rule.name || rule.code, 300)),
      h("span", { class: "code" }, shown(rule.code, 60)),
      h("span", { class: "number", "aria-label": plural(items.length, "finding") }, number(items.length))),
    body);
  if (open) {
    draw();
    group.open = true;
  }
  return group;
}

function findingItem(item, { several, fix }) {
  const where = [item.function, item.node].filter(Boolean);
  const nested = item.function.includes("!");
  return h("li", {},
    h("p", {}, shown(item.message, 2000)),
    h("dl", {},
      item.argument && fact("Argument", h("code", { class: "argument" }, shown(item.argument, 4000))),
      where.length > 0 && fact("Where", [
        item.function && !nested && [mono(item.function), item.node && h("span", { class: "slash" }, " / ")],
        item.node && mono(item.node),
        item.attr && [" attribute ", mono(item.attr)],
        nested && [item.node && ", ", ...nestedBody(item.function)],
      ]),
      where.length === 0 && item.attr && fact("Part", mono(item.attr)),
      item.op && fact("Op", mono(item.op)),
      several && item.metaGraph && fact("Tags", mono(item.metaGraph)),
      item.reached.length > 0 && fact("Reached", reachedList(item.reached)),
      otherDetail(item),
      item.confidence && item.confidence !== "high" && fact("Confidence", item.confidence),
      fix && item.fix && fact("Remedy", marked(shown(item.fix, 2000)))));
}

/** A body inside of a constant: `constant!`, or `constant!function`. */
function nestedBody(label) {
  const cut = label.lastIndexOf("!");
  const graph = ["the graph inside of constant ", mono(label.slice(0, cut))];
  return label.length > cut + 1 ? ["in function ", mono(label.slice(cut + 1)), " of ", ...graph] : ["in ", ...graph];
}

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

const reachedList = (ways) =>
  h("span", { class: "ways" }, ways.slice(0, 12).map((way) => h("span", { class: "way", data: { way: way.split(":", 1)[0] } }, reachedText(way))),
    ways.length > 12 && `and ${number(ways.length - 12)} more`);

function reachedText(way) {
  if (Object.hasOwn(REACHED_WORDS, way)) return REACHED_WORDS[way];
  const [kind, name] = [way.split(":", 1)[0], way.slice(way.indexOf(":") + 1)];
  if (kind === "signature") return ["signature ", mono(name, 200)];
  if (kind === "call") return ["function ", mono(name, 200)];
  if (kind === "gradient") return ["gradient of ", mono(name, 200)];
  return shown(way, 300);
}

/** What else a rule says, in its own words. */
function otherDetail(item) {
  const told = new Set(["op", "argument", "reached"]);
  return Object.entries(item.detail)
    .filter(([key, value]) => !told.has(key) && value !== null && value !== "")
    .slice(0, 20)
    .map(([key, value]) => fact(detailWord(key), detailValue(value)));
}

function detailWord(key) {
  const words = shown(key, 60).replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function detailValue(value) {
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  const items = Array.isArray(value) ? value : [value];
  const listed = items.slice(0, 20).map((entry) => h("code", {}, shown(entry, 500)));
  return h("span", { class: "names" }, listed, items.length > 20 && `and ${number(items.length - 20)} more`);
}
