// The columns, made into models once; then what a choice of filters leaves of them.

/** {models, groups, decisions, steps, ...} of the page's data. */
function prepare(given) {
  const root = asObject(given);
  const columns = asObject(root.models);
  const column = (name) => asArray(columns[name]);
  const texts = asArray(root.texts).map(asText);
  const statuses = asArray(root.statuses);
  const groups = asArray(root.groups).map((item, index) => ({
    index,
    status: asText(item?.status),
    key: asText(item?.key),
    title: asText(item?.title),
    advice: asText(item?.advice),
    models: [],
  }));
  const decisions = asArray(root.decisions).map((item, index) => ({
    index,
    kind: asText(item?.kind),
    lines: asArray(item?.lines).map(asText),
    candidates: asArray(item?.candidates).map(asArray),
    models: [],
  }));
  const [names, sources, status, group, reason, format, readiness] = ["name", "source", "status", "group", "reason", "format", "readiness"].map(column);
  const [before, after, time, memory, attempts, tflite, decision] = ["before", "after", "time", "memory", "attempts", "tflite", "decision"].map(column);
  const [why, earlier] = ["tflite_why", "earlier"].map(column);
  const levels = SEVERITIES.map(column);
  STATUS_WORDS.looked_at = asText(root.looked) || STATUS_WORDS.looked_at;
  const models = names.map((name, index) => {
    const word = STATUSES.includes(statuses[status[index]]) ? statuses[status[index]] : "failed";
    const made = {
      index,
      name: asText(name),
      source: asText(sources[index]),
      status: word,
      rank: RANK[word],
      group: groups[group[index]] ?? null,
      reason: texts[reason[index]] ?? "",
      format: texts[format[index]] ?? "",
      readiness: texts[readiness[index]] ?? "",
      before: asCount(before[index]),
      after: asCount(after[index]),
      time: asAmount(time[index]),
      memory: asCount(memory[index]),
      attempts: asCount(attempts[index]),
      tflite: texts[tflite[index]] ?? "",
      tfliteWhy: texts[why[index]] ?? "",
      earlier: earlier[index] === 1,
      decision: decisions[decision[index]] ?? null,
      counts: levels.map((list) => asCount(list[index])),
    };
    made.grave = made.counts.reduce((sum, count) => sum * 1000 + Math.min(count, 999), 0);
    if (!DONE.has(word)) made.group?.models.push(made);
    made.decision?.models.push(made);
    return made;
  });
  groups.sort((a, b) => b.models.length - a.models.length || (a.title < b.title ? -1 : 1));
  return {
    version: asText(root.migrator),
    run: asObject(root.run),
    totals: asObject(root.totals),
    commands: asObject(root.commands),
    pages: typeof root.pages === "string" ? root.pages : null,
    base: asText(root.base),
    models,
    groups,
    decisions: decisions.sort((a, b) => b.models.length - a.models.length || a.index - b.index),
    steps: Object.entries(asObject(root.seconds)).map(([step, values]) => [step, asArray(values)]),
    tflites: [...new Set(models.map((model) => model.tflite))].filter(Boolean).sort(),
    runs: new Set(models.map((model) => model.earlier)).size > 1 ? ["this", "earlier"] : [],
    leftOut: leftOut(asObject(root.left_out)),
    formats: [...new Set(models.map((model) => model.format))].sort(),
  };
}

function leftOut(given) {
  const files = asArray(given.files).map(asArray).map(([source, kind, reason]) => ({ source: asText(source), kind: asText(kind), reason: asText(reason) }));
  for (const file of files) file.hay = `${file.source}\n${file.reason}`.toLowerCase();
  return { files, count: Math.max(asCount(given.count), files.length), line: asText(given.line) };
}

/** A model's own reason: without the words that all of its kind begin with. */
function ownReason(model) {
  const title = model.group?.title ?? "";
  const head = `${title} is open: `.toLowerCase();
  return model.reason.toLowerCase().startsWith(head) ? model.reason.slice(head.length) : model.reason || title;
}

/** What a search looks through. Made on first use: few pages are searched. */
const hay = (model, base) =>
  (model.hay ??= [model.name, base + model.source, model.reason, formatWord(model.format), STATUS_WORDS[model.status], DONE.has(model.status) ? "" : model.group?.title, model.group?.key].join("\n").toLowerCase());

/** The models that the filters leave, and what each further choice would leave. */
function select(data, filter) {
  const words = filter.q.toLowerCase().split(/\s+/).filter(Boolean);
  const statuses = new Map(STATUSES.map((name) => [name, 0]));
  const models = [];
  for (const model of data.models) {
    if (filter.format !== null && model.format !== filter.format) continue;
    if (filter.tflite !== null && model.tflite !== filter.tflite) continue;
    if (filter.run !== null && model.earlier !== (filter.run === "earlier")) continue;
    if (words.length && !words.every((word) => hay(model, data.base).includes(word))) continue;
    const inGroup = filter.group < 0 || model.group?.index === filter.group;
    const inDecision = filter.decision < 0 || model.decision?.index === filter.decision;
    if (!inGroup || !inDecision) continue;
    statuses.set(model.status, statuses.get(model.status) + 1);
    if (filter.status.size === 0 || filter.status.has(model.status)) models.push(model);
  }
  return { models, statuses };
}

const byText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const byName = (a, b) => a.index - b.index; // the result has them in the order of their names
const ORDERS = {
  result: (a, b) => a.rank - b.rank,
  name: byName,
  why: (a, b) => byText(a.group?.title ?? "", b.group?.title ?? "") || byText(a.reason, b.reason),
  format: (a, b) => byText(formatWord(a.format), formatWord(b.format)),
  tflite: (a, b) => byText(tfliteWord(b.tflite), tfliteWord(a.tflite)),
  before: (a, b) => b.before - a.before,
  after: (a, b) => b.after - a.after,
  time: (a, b) => b.time - a.time,
  findings: (a, b) => b.grave - a.grave,
};

/** Models in an order of ORDERS, or the reverse of it; among equals by name. */
function ordered(models, sort, reverse) {
  const order = ORDERS[sort] ?? ORDERS.result;
  const sign = reverse ? -1 : 1;
  return models.sort((a, b) => sign * order(a, b) || byName(a, b));
}

/** The page of a model, as an address beside this page; empty where there can be none. */
function pageAddress(model, pages) {
  const parts = model.name.split("/");
  if (pages === null || parts.some((part) => part === "" || part === "." || part === "..")) return "";
  try {
    return `./${pages}${parts.map(encodeURIComponent).join("/")}/index.html`;
  } catch {
    return ""; // not Unicode
  }
}
