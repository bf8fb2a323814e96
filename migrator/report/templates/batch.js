// What the reader chose, kept in the address; and the page drawn from it.

performance.mark("batch-start");
const data = prepare(JSON.parse(document.getElementById("data").textContent));
const VIEWS = ["models", "decisions", "problems", ...(data.leftOut.count ? ["left-out"] : []), "costs"];
const state = { view: "models", q: "", status: new Set(), group: -1, decision: -1, format: null, tflite: null, run: null, sort: "result", reverse: false, model: -1 };
const CHOICES = { format: data.formats, tflite: data.tflites, run: data.runs }; // filters of one value each
let selection;
let lastOpened = null; // where focus goes back to
let drawn = ""; // the address that the page shows already

/* ---- the address ---- */

function fromHash() {
  const params = readHash();
  const index = (name, list) => {
    const value = Number(params.get(name) ?? -1);
    return Number.isInteger(value) && value >= 0 && value < list.length ? value : -1;
  };
  state.model = params.has("model") ? index("model", data.models) : -1;
  // A link to a model alone keeps the filters that are set.
  if ([...params.keys()].length === 1 && state.model >= 0 && selection) return;
  state.view = VIEWS.includes(params.get("view")) ? params.get("view") : "models";
  state.q = params.get("q") ?? "";
  state.status = new Set((params.get("status") ?? "").split(",").filter((name) => STATUSES.includes(name)));
  state.group = params.has("why") ? index("why", data.groups) : -1;
  state.decision = params.has("decision") ? index("decision", data.decisions) : -1;
  for (const [key, values] of Object.entries(CHOICES)) state[key] = values.includes(params.get(key)) ? params.get(key) : null;
  state.sort = Object.hasOwn(ORDERS, params.get("sort") ?? "") ? params.get("sort") : "result";
  state.reverse = params.has("reverse");
}

function toHash() {
  const params = new URLSearchParams();
  const put = (key, value) => value !== "" && params.set(key, value);
  put("view", state.view === "models" ? "" : state.view);
  put("q", state.q);
  put("status", STATUSES.filter((name) => state.status.has(name)).join(","));
  put("why", state.group < 0 ? "" : String(state.group));
  put("decision", state.decision < 0 ? "" : String(state.decision));
  for (const key of Object.keys(CHOICES)) put(key, state[key] ?? "");
  put("sort", state.sort === "result" ? "" : state.sort);
  put("reverse", state.reverse ? "1" : "");
  put("model", state.model < 0 ? "" : String(state.model));
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

const filtered = () => state.q.trim() !== "" || state.status.size > 0 || state.group >= 0 || state.decision >= 0 || Object.keys(CHOICES).some((key) => state[key] !== null);

const actions = {
  sort(key) {
    state.reverse = state.sort === key ? !state.reverse : false;
    state.sort = key;
    refresh();
  },
  status(name) {
    if (!state.status.delete(name)) state.status.add(name);
    state.view = "models";
    refresh();
  },
  /** The table, with the models of one reason alone. */
  group(index) {
    clear();
    Object.assign(state, { group: index, view: "models" });
    refresh();
    scrollTo({ top: 0, behavior: "instant" });
    parts.why.focus();
  },
  clear() {
    clear();
    refresh();
    parts.search.focus();
  },
  view(view) {
    state.view = view;
    refresh();
  },
};

const clear = () => Object.assign(state, { q: "", status: new Set(), group: -1, decision: -1, format: null, tflite: null, run: null });

/** Opens a model's panel (-1 closes it), as a step that "back" undoes. */
function open(index) {
  clearTimeout(pending);
  state.model = index;
  writeHash(toHash(), { step: true });
  drawn = location.hash;
  drawPanel(index >= 0);
}

function close() {
  const row = selection.models.findIndex((model) => model.index === state.model);
  open(-1);
  if (lastOpened?.isConnected) lastOpened.focus();
  else if (state.view === "models" && row >= 0) table.focus(row);
  else parts.search.focus();
}

function neighbour(step) {
  const row = selection.models.findIndex((model) => model.index === state.model);
  return row < 0 ? null : selection.models[row + step] ?? null;
}

/* ---- drawing ---- */

const parts = {
  list: h("div", { class: "list", id: "list" }),
  panel: h("aside", { class: "panel", "aria-label": "Details", hidden: true }),
  keys: h("div", { class: "legend", role: "group", "aria-label": "Filter by result" }),
  track: h("div", { class: "track", "aria-hidden": "true" }),
  tabs: h("nav", { class: "tabs", "aria-label": "Views" }),
  status: h("p", { class: "status", role: "status" }),
  clear: h("button", { type: "button", class: "quiet clear", on: { click: actions.clear } }, "Clear filters"),
  why: h("select", { "aria-label": "Filter by reason" }),
  choices: Object.fromEntries(Object.keys(CHOICES).map((key) => [key, h("select", { "aria-label": `Filter by ${key === "tflite" ? "TFLite" : key}`, data: { choice: key } })])),
  search: h("input", { type: "search", placeholder: "Search name, source, reason, format", "aria-label": "Search name, source, reason and format", autocomplete: "off", spellcheck: "false" }),
  paper: h("section", { class: "paper" }),
};
const table = modelTable(actions, data.tflites.length > 0);

function drawShell() {
  const run = data.run;
  const sizes = asObject(data.totals.bytes);
  const work = asAmount(asObject(data.totals.seconds).total);
  const before = asCount(sizes.source_of_results);
  const after = asCount(sizes.results);
  const wall = asAmount(run.seconds);
  const again = asCount(data.totals.tried_again);
  const notes = [
    run.started && `begun ${moment(run.started)}`,
    asCount(run.jobs) > 0 && plural(run.jobs, "job"),
    run.scheduler && `on ${shown(run.scheduler, 100)}`,
    asCount(run.kept) + asCount(run.others) > 0 && `${plural(asCount(run.kept) + asCount(run.others), "model")} from before`,
    data.tflites.length > 0 && `TFLite: ${data.tflites.map((key) => `${number(data.models.filter((model) => model.tflite === key).length)} ${tfliteWord(key).toLowerCase()}`).join(", ")}`,
    again > 0 && `${plural(again, "model")} tried again`,
    data.version && `migrator ${shown(data.version, 40)}`,
  ];
  const done = data.models.filter((model) => DONE.has(model.status)).length;
  const skip = h("a", { class: "skip", href: "#list", on: { click: (event) => { event.preventDefault(); parts.list.querySelector("a, button")?.focus(); } } }, "Skip to the list");
  append(document.getElementById("app"), [
    skip,
    h("header", { class: "top" },
      h("div", { class: "masthead" }, h("h1", {}, "Batch of ", plural(data.models.length, "model")), themeButton()),
      h("p", { class: "lead" }, done === data.models.length && done > 0 ? h("b", {}, "All are done") : [h("b", {}, number(done)), " done, ", h("b", {}, number(data.models.length - done)), " not"],
        run.dest && [", in ", mono(run.dest, 200)],
        run.interrupted === true && h("span", { class: "warn" }, asCount(run.unfinished) > 0 ? ` · interrupted, ${number(run.unfinished)} not begun` : " · interrupted")),
      h("p", { class: "notes" }, notes.filter(Boolean).join(" · ")),
      h("div", { class: "totals" },
        h("section", { "aria-label": "Results" }, h("h2", {}, "What became of them"), parts.track, parts.keys),
        h("section", { "aria-label": "Time and size" }, h("h2", {}, "Time and size"),
          h("dl", { class: "sums" }, [
            ["It took", wall > 0 ? duration(wall) : "unknown", wall > 0 && run.ran > 1 && `${((60 * run.ran) / wall).toFixed(1)} models a minute`],
            ["Work", duration(work), data.models.length > 0 && `${duration(work / data.models.length)} a model`],
            ["Before", size(before), "of models that are done"],
            ["After", size(after), before > 0 && `${((100 * after) / before).toFixed(0)} %`],
          ].map(([word, value, note]) => h("div", {}, h("dt", {}, word), h("dd", {}, h("b", {}, value), note && h("span", { class: "dim" }, note)))))))),
    h("div", { class: "toolbar" },
      h("div", { class: "filters", role: "search" }, parts.search, parts.why, Object.entries(parts.choices).map(([key, choice]) => (key === "format" || CHOICES[key].length > 0) && choice), parts.clear),
      h("div", { class: "bar" }, parts.tabs, parts.status)),
    h("main", {}, parts.list, parts.panel),
    parts.paper,
    live,
  ]);
}

function drawChoices() {
  const reasons = data.groups.filter((group) => group.models.length);
  replace(parts.why, h("option", { value: "-1" }, "All reasons"), UNDONE.map((status) => {
    const mine = reasons.filter((group) => group.status === status);
    return mine.length > 0 && h("optgroup", { label: STATUS_WORDS[status] }, mine.map((group) => h("option", { value: group.index }, `${group.title} (${number(group.models.length)})`)));
  }));
  const words = { format: ["All formats", (key) => formatWord(key) || "unknown"], tflite: ["TFLite: all", (key) => `TFLite: ${tfliteWord(key).toLowerCase()}`], run: ["All runs", (key) => ({ this: "This run", earlier: "Earlier runs" })[key]] };
  for (const [key, choice] of Object.entries(parts.choices)) {
    replace(choice, h("option", { value: "-1" }, words[key][0]), CHOICES[key].map((value, index) => h("option", { value: index }, words[key][1](value))));
    choice.addEventListener("change", () => {
      state[key] = CHOICES[key][Number(choice.value)] ?? null;
      state.view = "models";
      refresh();
    });
  }
  parts.why.addEventListener("change", () => {
    state.group = Number(parts.why.value);
    state.view = "models";
    refresh();
  });
}

/** Draws buttons anew, and keeps the focus on the one that had it. */
function update(box, buttons) {
  const index = [...box.children].indexOf(document.activeElement);
  replace(box, buttons);
  if (index >= 0) box.children[index]?.focus({ preventScroll: true });
}

function drawFacets() {
  const { statuses } = selection;
  const total = [...statuses.values()].reduce((sum, count) => sum + count, 0) || 1;
  update(parts.keys, STATUSES.filter((status) => status !== "looked_at" || data.models.some((model) => model.status === status)).map((status) => facetButton({
    class: "key", data: { status, empty: statuses.get(status) ? "" : "yes" }, pressed: state.status.has(status),
    label: [h("i", { class: "glyph", "aria-hidden": "true" }), h("span", { class: "word" }, STATUS_WORDS[status])],
    count: h("span", { class: "number" }, number(statuses.get(status))),
    action: () => actions.status(status),
  })));
  replace(parts.track, STATUSES.filter((status) => statuses.get(status)).map((status) => {
    const off = state.status.size > 0 && !state.status.has(status);
    const part = h("span", { class: off ? "off" : false, data: { status }, title: `${STATUS_WORDS[status]}: ${plural(statuses.get(status), "model")}`, on: { click: () => actions.status(status) } });
    part.style.flexGrow = String(statuses.get(status) / total);
    return part;
  }));
  const waiting = (status) => data.groups.reduce((sum, group) => sum + (group.status === status ? group.models.length : 0), 0);
  const tabs = { models: ["Models", selection.models.length], decisions: ["To decide", waiting("needs_decision")], problems: ["Not done, and why", waiting("failed") + waiting("blocked")], "left-out": ["Left out", data.leftOut.count], costs: ["Time and size", null] };
  update(parts.tabs, VIEWS.map((view) => h("button", { type: "button", class: "tab", data: { view }, "aria-current": state.view === view ? "page" : false, on: { click: () => actions.view(view) } },
    tabs[view][0], tabs[view][1] !== null && h("span", { class: "number" }, number(tabs[view][1])))));
}

let shownView = "";
function drawList() {
  if (state.view !== "models") {
    if (shownView === state.view) return; // these views hold all models, whatever the filters say
    shownView = state.view;
    const views = { decisions: decisionsView, problems: problemsView, "left-out": leftOutView, costs: costsView };
    replace(parts.list, views[state.view](data, actions));
    return;
  }
  shownView = "models";
  if (!selection.models.length) return replace(parts.list, nothing());
  if (table.element.parentNode !== parts.list) replace(parts.list, table.element);
  table.draw(selection.models, state, state.model);
}

const nothing = () =>
  h("div", { class: "empty" }, h("p", {}, data.models.length ? "Nothing matches the filters." : "There is no model in this batch."),
    filtered() && h("button", { type: "button", on: { click: actions.clear } }, "Clear all filters"));

function drawStatus() {
  const all = selection.models.length === data.models.length;
  parts.status.textContent = all ? `All ${plural(data.models.length, "model")}` : `${number(selection.models.length)} of ${plural(data.models.length, "model")}`;
  parts.clear.hidden = !filtered();
  parts.why.value = String(state.group);
  for (const [key, choice] of Object.entries(parts.choices)) choice.value = state[key] === null ? "-1" : String(CHOICES[key].indexOf(state[key]));
  if (parts.search.value !== state.q) parts.search.value = state.q;
}

/** The panel beside the list; with `move`, focus goes there. */
function drawPanel(move = false) {
  const model = data.models[state.model];
  document.body.classList.toggle("with-panel", Boolean(model));
  parts.panel.hidden = !model;
  if (state.view === "models") table.mark(state.model);
  if (!model) return replace(parts.panel);
  const step = (by, word) => {
    const next = neighbour(by);
    return h("button", { type: "button", class: "quiet", disabled: !next, on: { click: () => next && open(next.index) } }, word);
  };
  replace(parts.panel,
    h("div", { class: "panel-bar" }, step(-1, "Previous"), step(1, "Next"), h("span", { class: "spring" }), h("button", { type: "button", class: "quiet close", on: { click: close } }, "Close")),
    modelPanel(data, model, actions));
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
  ordered(selection.models, state.sort, state.reverse);
  drawFacets();
  drawList();
  drawStatus();
  if (state.model >= 0) drawPanel();
  keepAddress();
  performance.measure("batch-filter", { start, end: performance.now() });
}

const drawPaper = () => replace(parts.paper, printedPart(data, selection.models));

/* ---- events ---- */

function listen() {
  parts.search.addEventListener("input", () => {
    state.q = parts.search.value;
    state.view = "models";
    refresh();
  });
  parts.list.addEventListener("click", (event) => {
    if (event.target.closest("button, summary, pre") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const row = table.rowOf(event.target);
    const link = event.target.closest("a");
    if (row < 0 && !link) return;
    if (getSelection().toString()) return;
    event.preventDefault();
    lastOpened = link ?? event.target.closest("tr").querySelector("a");
    open(row >= 0 ? selection.models[row].index : Number(new URLSearchParams(link.hash.slice(1)).get("model")));
  });
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", () => {
    if (location.hash === drawn) return;
    drawn = location.hash;
    const before = state.model;
    fromHash();
    refresh();
    drawPanel(before !== state.model && state.model >= 0);
  });
  let asked = 0;
  const later = (action) => () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(action);
  };
  const move = later(() => {
    if (state.view === "models" && selection.models.length) table.place();
    fitPanel();
  });
  addEventListener("scroll", move, { passive: true });
  addEventListener("resize", later(() => {
    if (state.view === "models" && selection.models.length) table.place(true);
    fitPanel();
  }));
  addEventListener("beforeprint", drawPaper);
  matchMedia("print").addEventListener("change", (event) => event.matches && drawPaper());
}

const PAGE = 15;
const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE, Home: -Infinity, End: Infinity };

function onKey(event) {
  const typing = event.target.closest?.("input, select, textarea");
  if (event.key === "Escape") {
    if (state.model >= 0) close();
    else if (event.target === parts.search && state.q) actions.clear();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowDown" && event.target === parts.search && state.view === "models") {
    event.preventDefault();
    table.focus(0);
    return;
  }
  if (typing) return;
  if (event.key === "/") {
    event.preventDefault();
    parts.search.focus();
  } else if (Object.hasOwn(STEPS, event.key)) {
    const row = table.rowOf(event.target);
    if (row < 0) return;
    event.preventDefault();
    table.focus(Math.max(0, Math.min(selection.models.length - 1, row + STEPS[event.key])));
  }
}

drawShell();
drawChoices();
fromHash();
listen();
refresh();
if (matchMedia("print").matches) drawPaper();
performance.mark("batch-ready");
