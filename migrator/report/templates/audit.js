// What the reader chose, kept in the address; and the page drawn from it.

performance.mark("audit-start");
const data = prepare(JSON.parse(document.getElementById("data").textContent));
const VIEWS = ["models", "rules", "skipped"];
const state = {
  view: "models", q: "", severity: new Set(), family: new Set(), readiness: new Set(), code: "",
  sort: "worst", reverse: false, model: "", rule: "", all: false,
};
let selection;
let lastOpened = null; // where focus goes back to
let drawn = ""; // the address that the page shows already

/* ---- the address ---- */

function fromHash() {
  const params = readHash();
  const list = (name, known) => new Set((params.get(name) ?? "").split(",").filter((item) => known.includes(item)));
  state.model = params.get("model") ?? "";
  state.rule = params.get("rule") ?? "";
  if (!data.byKey.has(state.model)) state.model = "";
  if (!data.rules.has(state.rule)) state.rule = "";
  // A link to a model or a rule alone keeps the filters that are set.
  const keys = [...params.keys()];
  if (keys.length === 1 && (state.model || state.rule) && selection) return;
  const view = params.get("view");
  state.view = VIEWS.includes(view) ? view : "models";
  state.q = params.get("q") ?? "";
  state.severity = new Set([...list("severity", SEVERITIES)].map((name) => SEVERITIES.indexOf(name)));
  state.family = list("family", FAMILIES);
  state.readiness = list("readiness", VERDICTS);
  state.code = data.rules.has(params.get("code")) ? params.get("code") : "";
  state.sort = Object.hasOwn(MODEL_ORDERS, params.get("sort") ?? "") ? params.get("sort") : "worst";
  state.reverse = params.has("reverse");
}

function toHash() {
  const params = new URLSearchParams();
  const put = (key, value) => value && params.set(key, value);
  put("view", state.view === "models" ? "" : state.view);
  put("q", state.q);
  put("severity", [...state.severity].sort().map((level) => SEVERITIES[level]).join(","));
  put("family", [...state.family].join(","));
  put("readiness", [...state.readiness].join(","));
  put("code", state.code);
  put("sort", state.sort === "worst" ? "" : state.sort);
  put("reverse", state.reverse ? "1" : "");
  put("model", state.model);
  put("rule", state.rule);
  return params;
}

let pending = 0;
function keepAddress() {
  clearTimeout(pending);
  pending = setTimeout(() => {
    writeHash(toHash());
    drawn = location.hash;
  }, 250);
}

/* ---- what the reader does ---- */

const filtered = () =>
  state.q.trim() !== "" || state.severity.size > 0 || state.family.size > 0 || state.readiness.size > 0 || state.code !== "";

function toggle(set, item) {
  if (!set.delete(item)) set.add(item);
  refresh();
}

const actions = {
  filtered,
  sort(key) {
    state.reverse = state.sort === key ? !state.reverse : false;
    state.sort = key;
    refresh();
    parts.list.querySelector(`[data-sort="${key}"]`)?.focus();
  },
  code(code) {
    state.code = code;
    state.view = "models";
    if (state.rule) close();
    refresh();
  },
  clear() {
    Object.assign(state, { q: "", severity: new Set(), family: new Set(), readiness: new Set(), code: "" });
    parts.search.value = "";
    refresh();
    parts.search.focus();
  },
  view(view) {
    state.view = view;
    refresh();
  },
  all() {
    state.all = !state.all;
    drawPanel();
  },
};

/** Opens a model or a rule (keys; both empty: closes), as a step that "back" undoes. */
function open(model, rule = "") {
  clearTimeout(pending);
  Object.assign(state, { model, rule, all: false });
  writeHash(toHash(), { step: true });
  drawn = location.hash;
  drawPanel(model !== "" || rule !== "");
}

function close() {
  open("");
  (lastOpened?.isConnected ? lastOpened : parts.search).focus();
}

/** The model before or after the open one, in the order of the list. */
function neighbour(step) {
  const index = selection.rows.findIndex((row) => row.model.key === state.model);
  const row = index < 0 ? null : selection.rows[index + step];
  return row ? row.model : null;
}

/* ---- drawing ---- */

const parts = {
  list: h("div", { class: "list", id: "list" }),
  panel: h("aside", { class: "panel", "aria-label": "Details", hidden: true }),
  severities: h("div", { class: "tiles", role: "group", "aria-label": "Filter by severity" }),
  readiness: h("div", { class: "legend", role: "group", "aria-label": "Filter by readiness" }),
  track: h("div", { class: "track", "aria-hidden": "true" }),
  families: h("div", { class: "families", role: "group", "aria-label": "Filter by family" }),
  tabs: h("nav", { class: "tabs", "aria-label": "Views" }),
  status: h("p", { class: "status", role: "status" }),
  clear: h("button", { type: "button", class: "quiet clear", on: { click: actions.clear } }, "Clear filters"),
  code: h("select", { "aria-label": "Filter by rule" }),
  search: h("input", { type: "search", placeholder: "Search path, rule, op, argument, message", "aria-label": "Search path, rule, op, argument and message", autocomplete: "off", spellcheck: "false" }),
  paper: h("section", { class: "paper" }),
};

function drawShell() {
  const models = data.models.length;
  const inBase = data.base ? [" under ", mono(data.base, 200)] : "";
  const notes = [
    data.accepted > 0 && `${plural(data.accepted, "accepted finding")} left out`,
    data.deep ? "weights were read" : "weights were not read",
    data.version && `migrator ${shown(data.version, 40)}`,
  ];
  const skipLink = h("a", { class: "skip", href: "#list", on: { click: (event) => { event.preventDefault(); parts.list.querySelector("a, button")?.focus(); } } }, "Skip to the list");
  append(document.getElementById("app"), [
    skipLink,
    h("header", { class: "top" },
      h("div", { class: "masthead" },
        h("h1", {}, "Audit of legacy models"),
        themeButton()),
      h("p", { class: "lead" }, h("b", {}, plural(models, "model")), inBase, ", ", h("b", {}, plural(data.findings.length, "finding")),
        data.skipped.length > 0 && [", ", h("a", { href: "#view=skipped" }, `${number(data.skipped.length)} skipped`)]),
      h("p", { class: "notes" }, notes.filter(Boolean).join(" · ")),
      h("div", { class: "totals" },
        h("section", { "aria-label": "Findings by severity" }, h("h2", {}, "Findings by severity"), parts.severities),
        h("section", { "aria-label": "Readiness to migrate" }, h("h2", {}, "Readiness to migrate"), parts.track, parts.readiness))),
    h("div", { class: "toolbar" },
      h("div", { class: "filters", role: "search" }, parts.search, parts.families, parts.code, parts.clear),
      h("div", { class: "bar" }, parts.tabs, parts.status)),
    h("main", {}, parts.list, parts.panel),
    parts.paper,
    live,
  ]);
}

function drawRuleChoice() {
  const rules = [...data.rules.values()].sort((a, b) => (a.code < b.code ? -1 : 1));
  replace(parts.code, h("option", { value: "" }, "All rules"),
    rules.map((rule) => h("option", { value: rule.code }, `${rule.code} ${shown(rule.name, 60)}`)));
  parts.code.addEventListener("change", () => {
    state.code = parts.code.value;
    refresh();
  });
}

function drawFacets() {
  const { facets } = selection;
  update(parts.severities, SEVERITIES.map((name, level) =>
    facetButton({
      class: "tile", data: { severity: name, empty: facets.severity[level] ? "" : "yes" }, pressed: state.severity.has(level),
      label: h("span", { class: "word" }, SEVERITY_WORDS[level]),
      count: h("span", { class: "number" }, number(facets.severity[level])),
      action: () => toggle(state.severity, level),
    })));
  const total = [...facets.readiness.values()].reduce((sum, count) => sum + count, 0);
  update(parts.readiness, VERDICTS.map((verdict) => {
    const count = facets.readiness.get(verdict);
    return facetButton({
      class: "key", data: { verdict, empty: count ? "" : "yes" }, pressed: state.readiness.has(verdict),
      label: [h("i", { class: "glyph", "aria-hidden": "true" }), h("span", { class: "word" }, VERDICT_WORDS[verdict])],
      count: h("span", { class: "number" }, number(count)),
      action: () => toggle(state.readiness, verdict),
    });
  }));
  replace(parts.track, VERDICTS.filter((verdict) => facets.readiness.get(verdict)).map((verdict) => {
    const count = facets.readiness.get(verdict);
    const off = state.readiness.size > 0 && !state.readiness.has(verdict);
    const part = h("span", { class: off ? "off" : false, data: { verdict }, title: `${VERDICT_WORDS[verdict]}: ${plural(count, "model")}`, on: { click: () => toggle(state.readiness, verdict) } });
    part.style.flexGrow = String(count / total);
    return part;
  }));
  update(parts.families, FAMILIES.map((family) =>
    facetButton({
      class: "chip", data: { family }, pressed: state.family.has(family), label: SHORT_FAMILIES[family], title: FAMILY_WORDS[family],
      count: h("span", { class: "number" }, number(facets.family.get(family)?.findings ?? 0)),
      action: () => toggle(state.family, family),
    })));
  const sizes = { models: selection.models.length, rules: [...facets.code.keys()].length, skipped: selection.skipped.length };
  const words = { models: "Models", rules: "Rules", skipped: "Skipped" };
  update(parts.tabs, VIEWS.map((view) =>
    h("button", { type: "button", class: "tab", data: { view }, "aria-current": state.view === view ? "page" : false, on: { click: () => actions.view(view) } },
      words[view], h("span", { class: "number" }, number(sizes[view])))));
}

/** Draws buttons anew, and keeps the focus on the one that had it. */
function update(box, buttons) {
  const index = [...box.children].indexOf(document.activeElement);
  replace(box, buttons);
  if (index >= 0) box.children[index]?.focus({ preventScroll: true });
}

function drawList() {
  selection.rows = ordered(selection.models, state.sort, state.reverse);
  if (state.view === "rules") replace(parts.list, rulesView(data, selection, state, actions));
  else if (state.view === "skipped") replace(parts.list, skippedView(selection, data, state, actions));
  else replace(parts.list, modelsView(selection.rows, state, actions));
}

function drawStatus() {
  const all = selection.models.length === data.models.length && selection.findings === data.findings.length;
  parts.status.textContent = !data.models.length
    ? "No models"
    : all
    ? `All ${plural(data.models.length, "model")}, ${plural(data.findings.length, "finding")}`
    : `${number(selection.models.length)} of ${plural(data.models.length, "model")}, ${number(selection.findings)} of ${plural(data.findings.length, "finding")}`;
  parts.clear.hidden = !filtered();
  parts.code.value = state.code;
  if (parts.search.value !== state.q) parts.search.value = state.q;
}

/** The panel beside the list; with `move`, focus goes there. */
function drawPanel(move = false) {
  const model = data.byKey.get(state.model);
  const rule = data.rules.get(state.rule);
  const is = Boolean(model || rule);
  document.body.classList.toggle("with-panel", is);
  parts.panel.hidden = !is;
  for (const row of parts.list.querySelectorAll("tr[data-key]")) {
    const open = row.dataset.key === shown(state.model);
    row.classList.toggle("open", open);
    row.querySelector("a").toggleAttribute("aria-current", open);
  }
  if (!is) return replace(parts.panel);
  const step = (by, word) => {
    const next = model ? neighbour(by) : null;
    return h("button", { type: "button", class: "quiet", disabled: !next, on: { click: () => next && open(next.key) } }, word);
  };
  replace(parts.panel,
    h("div", { class: "panel-bar" },
      model && [step(-1, "Previous"), step(1, "Next")],
      h("span", { class: "spring" }),
      h("button", { type: "button", class: "quiet close", on: { click: close } }, "Close")),
    model ? modelPanel(data, model, state, actions) : rulePanel(data, rule, actions));
  parts.panel.scrollTop = 0;
  fitPanel();
  if (move) parts.panel.querySelector("h2").focus({ preventScroll: true });
}

/** Beside the list, the panel ends where the window does; over it, the style sheet places it. */
function fitPanel() {
  if (parts.panel.hidden) return;
  const bar = document.querySelector(".toolbar").getBoundingClientRect();
  parts.panel.style.setProperty("--top", `${Math.round(bar.height) + 8}px`);
  parts.panel.style.setProperty("--room", `${Math.round(innerHeight - Math.max(bar.bottom, bar.height) - 20)}px`);
}

function refresh() {
  const start = performance.now();
  selection = select(data, state);
  drawFacets();
  drawList();
  drawStatus();
  if (state.model || state.rule) drawPanel();
  keepAddress();
  performance.measure("audit-filter", { start, end: performance.now() });
}

const drawPaper = () =>
  replace(parts.paper, printedPart(data, selection.models, data.byKey.get(state.model)));

/* ---- events ---- */

function listen() {
  parts.search.addEventListener("input", () => {
    state.q = parts.search.value;
    refresh();
  });
  parts.list.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-key], tr[data-rule]");
    if (!row || event.target.closest("button") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (getSelection().toString()) return;
    event.preventDefault();
    lastOpened = row.querySelector("a");
    if (row.dataset.rule === undefined) open(rowModel(row));
    else open("", row.dataset.rule);
  });
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", () => {
    if (location.hash === drawn) return;
    drawn = location.hash;
    const before = `${state.model}\n${state.rule}`;
    fromHash();
    refresh();
    drawPanel(before !== `${state.model}\n${state.rule}` && (state.model || state.rule));
  });
  addEventListener("scroll", () => requestAnimationFrame(fitPanel), { passive: true });
  addEventListener("resize", fitPanel);
  addEventListener("beforeprint", drawPaper);
  matchMedia("print").addEventListener("change", (event) => event.matches && drawPaper());
}

const rowModel = (row) => selection.rows[[...row.parentNode.children].indexOf(row)].model.key;

function onKey(event) {
  const typing = event.target.closest?.("input, select, textarea");
  if (event.key === "Escape") {
    if (state.model || state.rule) close();
    else if (event.target === parts.search && state.q) actions.clear();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    parts.search.focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const row = event.target.closest?.("tbody tr");
    const other = event.key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling;
    if (!other) return;
    event.preventDefault();
    other.querySelector("a")?.focus();
  }
}

drawShell();
drawRuleChoice();
fromHash();
listen();
refresh();
if (matchMedia("print").matches) drawPaper();
performance.mark("audit-ready");
