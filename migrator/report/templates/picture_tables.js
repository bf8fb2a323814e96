// Tables under a picture: some rows at first, a filter, an order by any column, and the way from a
// row to its node. Quick for tens of thousands of rows: only what is shown is drawn.

const ROWS_AT_ONCE = 100;
const FILTER_FROM = 12; // rows from which on a table has a filter

/** The picture that the page shows now, and its nodes by name. */
const onPage = {
  picture: null,
  scene: null,
  names: null,
  take(picture, scene) {
    Object.assign(onPage, { picture, scene, names: null });
  },
  /** The cell of a name, undefined where the picture has none. */
  cell(name) {
    if (!onPage.scene || typeof name !== "string" || !name) return undefined;
    if (!onPage.names) {
      onPage.names = new Map();
      // Names that both models have are the right one's: what is removed comes last.
      for (let cell = onPage.scene.count - 1; cell >= 0; cell--) onPage.names.set(onPage.scene.name(cell), cell);
    }
    return onPage.names.get(name);
  },
  show(cell) {
    onPage.picture.jump(cell);
    document.querySelector(".picture").scrollIntoView({ block: "nearest" });
  },
};

/** A node's name as a way to it, where the picture shows it. */
function nodeName(name) {
  const cell = onPage.cell(name);
  const text = shown(name, 300);
  return cell === undefined ? h("code", {}, text) : h("button", { type: "button", class: "link", on: { click: () => onPage.show(cell) } }, text);
}

/**
 * A table of many rows. `columns`: {title, cell(row): what stands there, key(row): text or number
 * to find and order it by, figure: right-aligned}; `node(row)` names the node that a click shows.
 */
function longTable(columns, rows, what, node = () => "") {
  const body = h("tbody", { class: "rows" });
  const more = h("button", { type: "button", class: "more" });
  const told = h("span", { class: "dim", role: "status" });
  const state = { rows, texts: null, by: -1, down: false, word: "", count: 0 };

  const row = (one) => {
    const name = node(one);
    const cell = onPage.cell(name);
    const line = h("tr", { class: cell !== undefined && "goes" }, columns.map((column) => h("td", { class: column.figure && "figure" }, column.cell(one))));
    if (cell !== undefined) {
      line.addEventListener("click", (event) => {
        if (!event.target.closest("button, a") && !String(getSelection())) onPage.show(cell);
      });
    }
    return line;
  };
  const grow = () => {
    const until = Math.min(state.rows.length, state.count + ROWS_AT_ONCE);
    append(body, state.rows.slice(state.count, until).map(row));
    state.count = until;
    more.hidden = state.count >= state.rows.length;
    more.textContent = `Show more (${plural(state.rows.length - state.count, what)} left)`;
  };
  const update = () => {
    let found = rows.map((_, index) => index);
    if (state.word) {
      state.texts ??= rows.map((one) => columns.map((column) => String(column.key?.(one) ?? "")).join("\n").toLowerCase());
      found = found.filter((index) => state.texts[index].includes(state.word));
    }
    if (state.by >= 0) {
      const keys = rows.map((one) => columns[state.by].key(one));
      const sign = state.down ? -1 : 1;
      const none = (key) => key === null || key === undefined || key === "";
      const compare = (a, b) => none(a) - none(b) || sign * (a < b ? -1 : a > b ? 1 : 0);
      found.sort((a, b) => compare(keys[a], keys[b]) || a - b);
    }
    state.rows = found.map((index) => rows[index]);
    state.count = 0;
    body.textContent = "";
    told.textContent = state.word ? `${number(found.length)} of ${plural(rows.length, what)}` : "";
    grow();
  };

  const heads = columns.map((column, index) => {
    const sortable = column.key && rows.length > 1;
    const head = h("th", { scope: "col", class: column.figure && "figure" });
    append(head, [sortable ? h("button", { type: "button", class: "order", on: { click: () => order(index) } }, column.title) : column.title]);
    return head;
  });
  const order = (index) => {
    state.down = state.by === index ? !state.down : Boolean(columns[index].figure);
    state.by = index;
    heads.forEach((head, at) => (at === index ? head.setAttribute("aria-sort", state.down ? "descending" : "ascending") : head.removeAttribute("aria-sort")));
    update();
  };
  const filter = h("input", { type: "search", class: "filter", placeholder: `Filter ${what}s`, "aria-label": `Filter ${what}s`, autocomplete: "off", spellcheck: "false", on: {
    input: () => {
      state.word = filter.value.trim().toLowerCase();
      update();
    },
  } });
  grow();
  return [
    rows.length >= FILTER_FROM && h("p", { class: "filters" }, filter, " ", told),
    h("table", {}, h("thead", {}, h("tr", {}, heads)), body),
    more,
  ];
}

function tableSection(title, columns, rows, what, { node, wide = true } = {}) {
  return rows.length > 0 && h("section", { class: wide && "wide" }, h("h2", {}, `${title} (${number(rows.length)})`), longTable(columns, rows, what, node));
}
