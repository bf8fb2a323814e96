// The result, made regular and indexed once; then what a choice of filters leaves of it.

const SEVERITIES = ["critical", "high", "medium", "low", "info"];
const SEVERITY_WORDS = ["Critical", "High", "Medium", "Low", "Info"];
const FAMILIES = ["security", "blocker", "warning", "health"];
const FAMILY_WORDS = {
  security: "Security",
  blocker: "Migration blockers",
  warning: "Migration warnings",
  health: "Health",
};
const SHORT_FAMILIES = { security: "Security", blocker: "Blockers", warning: "Warnings", health: "Health" };
const VERDICTS = ["blocked", "needs_you", "ready_with_changes", "ready", "unknown"];
const VERDICT_WORDS = {
  blocked: "Blocked",
  needs_you: "Needs you",
  ready_with_changes: "Ready with changes",
  ready: "Ready",
  unknown: "Unknown",
};
const FORMAT_WORDS = {
  graph_def: "GraphDef",
  graph_def_text: "GraphDef text",
  saved_model: "SavedModel",
  saved_model_text: "SavedModel text",
  meta_graph: "MetaGraph",
  meta_graph_text: "MetaGraph text",
  checkpoint: "Checkpoint",
  hub_module: "Hub module",
  keras_h5: "Keras HDF5",
  keras_zip: "Keras zip",
  tflite: "TFLite",
};
const MOST_SEARCHED = 2000; // characters of one text

/** {models, findings, rules (Map), skipped, ...} of a result, whatever its JSON holds. */
function prepare(result) {
  const root = asObject(result);
  const bySource = new Map();
  const models = [];
  const model = (source, item) => {
    const made = makeModel(source, item);
    models.push(made);
    if (!bySource.has(source)) bySource.set(source, made);
    return made;
  };
  for (const item of asArray(root.models)) model(asText(asObject(item).source), asObject(item));
  const findings = asArray(root.findings).map((item) => {
    const source = asText(asObject(asObject(item).location).source);
    const owner = bySource.get(source) ?? model(source, {});
    const made = makeFinding(owner, asObject(item));
    owner.findings.push(made);
    return made;
  });
  const skipped = asArray(root.skipped).map((item) => ({
    source: asText(asObject(item).source),
    reason: asText(asObject(item).reason),
    rule: asText(asObject(item).rule),
  }));
  for (const item of skipped) if (item.rule) bySource.get(item.source)?.skipped.push(item);
  const base = commonFolder([...models, ...skipped].map((item) => item.source));
  for (const item of models) place(item, base);
  for (const item of skipped) {
    item.short = item.source.slice(base.length) || item.source;
    item.hay = hay(item.source, item.reason, item.rule);
  }
  models.forEach((item, index) => {
    item.index = index;
    // A key that survives in an address: the path, or the place in the list where that is odd.
    const plain = item.source && item.source.length < 1000 && !/\p{Cs}/u.test(item.source);
    item.key = plain && bySource.get(item.source) === item ? item.source : `~${index}`;
    item.findings.sort((a, b) => a.severity - b.severity || (a.code < b.code ? -1 : a.code > b.code ? 1 : 0));
  });
  return {
    version: asText(root.migrator),
    deep: root.deep === true,
    accepted: asCount(root.accepted),
    base,
    models,
    byKey: new Map(models.map((item) => [item.key, item])),
    findings,
    rules: makeRules(root.rules, findings),
    skipped,
  };
}

function makeModel(source, item) {
  const readiness = item.readiness === null ? {} : asObject(item.readiness);
  const verdict = VERDICTS.includes(readiness.verdict) ? readiness.verdict : "unknown";
  const format = asText(item.format);
  return {
    source,
    format,
    formatWord: Object.hasOwn(FORMAT_WORDS, format) ? FORMAT_WORDS[format] : shown(format.slice(0, 20)),
    bytes: asCount(item.bytes),
    nodes: asCount(item.nodes),
    tensorflow: asText(item.tensorflow_version),
    judged: VERDICTS.includes(readiness.verdict),
    verdict,
    rank: VERDICTS.indexOf(verdict),
    reasons: asArray(readiness.reasons).map((reason) => ({
      code: asText(asObject(reason).code),
      text: asText(asObject(reason).text),
      node: asText(asObject(reason).node),
      fix: asText(asObject(reason).fix),
    })),
    options: asArray(readiness.options).map(asText),
    findings: [],
    skipped: [],
  };
}

function makeFinding(model, item) {
  const where = asObject(item.location);
  const detail = asObject(item.detail);
  const level = SEVERITIES.indexOf(item.severity);
  const found = {
    model,
    code: asText(item.code),
    name: asText(item.name),
    family: asText(item.family),
    severity: level < 0 ? SEVERITIES.length - 1 : level,
    confidence: asText(item.confidence),
    message: asText(item.message),
    metaGraph: asText(where.meta_graph),
    function: asText(where.function),
    node: asText(where.node),
    attr: asText(where.attr),
    op: asText(detail.op),
    argument: asText(detail.argument),
    reached: asArray(detail.reached).map(asText),
    detail,
    fix: asText(item.fix),
    fingerprint: asText(item.fingerprint),
  };
  found.hay = hay(
    found.code, found.name, found.op, found.argument, found.message, found.function, found.node,
    found.attr,
  );
  return found;
}

const hay = (...texts) =>
  texts.map((text) => text.slice(0, MOST_SEARCHED)).join("\n").toLowerCase();

/** The folder that all paths lie in, with its slash; empty if there is none. */
function commonFolder(paths) {
  if (paths.length < 2) return "";
  let base = paths[0].slice(0, paths[0].lastIndexOf("/") + 1);
  for (const path of paths) {
    while (base && !path.startsWith(base)) base = base.slice(0, base.lastIndexOf("/", base.length - 2) + 1);
  }
  return base === "/" ? "" : base;
}

/** Splits a path for reading: folders, the name that tells it, and a file name that does not. */
function place(model, base) {
  const path = model.source.slice(base.length) || model.source;
  const parts = path.split("/");
  let tail = "";
  if (parts.length > 1 && /^(saved_model\.pb(txt)?|tfhub_module\.pb|checkpoint)$/.test(parts.at(-1))) {
    tail = "/" + parts.pop();
  }
  model.name = parts.pop() || path || "(no path)";
  model.folder = parts.length ? parts.join("/") + "/" : "";
  model.tail = tail;
  model.path = path;
  const words = `${model.format} ${model.formatWord}`;
  model.hay = hay(model.source, words);
  model.said = hay(
    model.source, words, VERDICT_WORDS[model.verdict],
    ...model.reasons.flatMap((reason) => [reason.code, reason.text, reason.node]),
  );
}

function makeRules(given, findings) {
  const rules = new Map();
  for (const [code, value] of Object.entries(asObject(given))) {
    const item = asObject(value);
    const level = SEVERITIES.indexOf(item.severity);
    rules.set(code, {
      code,
      name: asText(item.name),
      title: asText(item.title),
      family: asText(item.family),
      severity: level < 0 ? SEVERITIES.length - 1 : level,
      confidence: asText(item.confidence),
      looksAt: Array.isArray(item.looks_at) ? item.looks_at.map(asText) : [asText(item.looks_at)],
      since: asText(item.since),
      deep: item.deep === true,
      sections: asObject(item.sections),
    });
  }
  for (const item of findings) {
    if (rules.has(item.code)) continue;
    rules.set(item.code, {
      code: item.code, name: item.name, title: "", family: item.family, severity: item.severity,
      confidence: item.confidence, looksAt: [], since: "", deep: false, sections: {},
    });
  }
  for (const rule of rules.values()) rule.hay = hay(rule.code, rule.name, rule.title);
  return rules;
}

/**
 * What the filters leave. A word of the search may stand in a model's path or in a finding; all
 * words must be found. Each facet counts what would be left if it alone were not chosen in.
 */
function select(data, filter) {
  const words = filter.q.toLowerCase().split(/\s+/).filter(Boolean);
  const { severity, family, readiness, code } = filter;
  const narrowed = severity.size > 0 || family.size > 0 || code !== "";
  const facets = {
    severity: new Array(SEVERITIES.length).fill(0),
    family: new Map(),
    readiness: new Map(VERDICTS.map((name) => [name, 0])),
    code: new Map(),
  };
  const models = [];
  let findings = 0;
  for (const model of data.models) {
    const open = words.filter((word) => !model.hay.includes(word));
    const verdictFits = readiness.size === 0 || readiness.has(model.verdict);
    const counts = new Array(SEVERITIES.length).fill(0);
    let total = 0;
    for (const item of model.findings) {
      let fits = true;
      for (const word of open) {
        if (!item.hay.includes(word)) {
          fits = false;
          break;
        }
      }
      if (!fits) continue;
      const inSeverity = severity.size === 0 || severity.has(item.severity);
      const inFamily = family.size === 0 || family.has(item.family);
      const inCode = code === "" || code === item.code;
      if (inSeverity && inFamily && inCode) {
        counts[item.severity] += 1;
        total += 1;
      }
      if (!verdictFits) continue;
      if (inFamily && inCode) facets.severity[item.severity] += 1;
      if (inSeverity && inCode) tally(facets.family, item.family, model);
      if (inSeverity && inFamily) tally(facets.code, item.code, model);
    }
    const said = words.every((word) => model.said.includes(word));
    if (total === 0 && (narrowed || !said)) continue;
    facets.readiness.set(model.verdict, facets.readiness.get(model.verdict) + 1);
    if (!verdictFits) continue;
    models.push({ model, counts, total });
    findings += total;
  }
  const skipped = data.skipped.filter((item) => words.every((word) => item.hay.includes(word)));
  return { models, findings, facets, skipped, words, narrowed };
}

function tally(counts, key, model) {
  let entry = counts.get(key);
  if (!entry) counts.set(key, (entry = { findings: 0, models: 0, last: null }));
  entry.findings += 1;
  if (entry.last !== model) {
    entry.models += 1;
    entry.last = model;
  }
}

/** A test for one model's findings under the filters. */
function fitting(model, filter) {
  const words = filter.q.toLowerCase().split(/\s+/).filter(Boolean);
  const open = words.filter((word) => !model.hay.includes(word));
  return (item) =>
    (filter.severity.size === 0 || filter.severity.has(item.severity)) &&
    (filter.family.size === 0 || filter.family.has(item.family)) &&
    (filter.code === "" || filter.code === item.code) &&
    open.every((word) => item.hay.includes(word));
}

/** The worst first: the grave findings, the readiness, the rest, the path. */
function byBadness(a, b) {
  return (
    b.counts[0] - a.counts[0] || b.counts[1] - a.counts[1] || a.model.rank - b.model.rank ||
    b.counts[2] - a.counts[2] || b.counts[3] - a.counts[3] || b.counts[4] - a.counts[4] ||
    byPath(a, b)
  );
}

const byPath = (a, b) => (a.model.source < b.model.source ? -1 : a.model.source > b.model.source ? 1 : 0);

const MODEL_ORDERS = {
  worst: byBadness,
  path: byPath,
  format: (a, b) => (a.model.formatWord < b.model.formatWord ? -1 : a.model.formatWord > b.model.formatWord ? 1 : 0),
  size: (a, b) => b.model.bytes - a.model.bytes,
  nodes: (a, b) => b.model.nodes - a.model.nodes,
  readiness: (a, b) => a.model.rank - b.model.rank,
};
SEVERITIES.forEach((name, level) => (MODEL_ORDERS[name] = (a, b) => b.counts[level] - a.counts[level]));

/** Rows in an order of MODEL_ORDERS, or the reverse of it; among equals the worst first. */
function ordered(rows, sort, reverse) {
  const order = MODEL_ORDERS[sort] ?? byBadness;
  const sign = reverse ? -1 : 1;
  return rows.sort((a, b) => sign * order(a, b) || byBadness(a, b));
}
