// The table of models. Only the rows in sight are in the page, between two empty ones that are as
// high as all the rest; so a hundred thousand models scroll as ten do.

const AHEAD = 12; // rows drawn beyond what is in sight, at each end

/**
 * A table over `rows`. Returns {element, draw(rows, state), focus(index), find(index)}.
 * `draw` puts the rows that are in sight into the page.
 */
function modelTable(actions, withTflite) {
  const body = h("tbody");
  const head = h("thead");
  const top = h("tr", { class: "gap", "aria-hidden": "true" });
  const bottom = h("tr", { class: "gap", "aria-hidden": "true" });
  const table = h("table", { class: `models batch${withTflite ? " with-tflite" : ""}` }, h("caption", { class: "offscreen" }, "Models, with what became of them"), head, body);
  let rows = [];
  let from = 0;
  let to = 0;
  let open = -1;

  const rowHeight = () => parseFloat(getComputedStyle(table).getPropertyValue("--row")) || 44;

  function place(force = false) {
    const height = rowHeight();
    const start = body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-start / height) - AHEAD);
    const last = Math.min(rows.length, Math.ceil((innerHeight - start) / height) + AHEAD);
    if (!force && first >= from && last <= to && to - from < 4 * AHEAD + (last - first)) return;
    const focused = focusedIndex();
    from = Math.max(0, Math.min(first, rows.length - 1));
    to = Math.max(from, last);
    const fresh = document.createDocumentFragment();
    top.style.height = `${from * height}px`;
    bottom.style.height = `${(rows.length - to) * height}px`;
    fresh.append(top);
    for (let index = from; index < to; index++) fresh.append(modelRow(rows[index], index, open, withTflite));
    fresh.append(bottom);
    body.replaceChildren(fresh);
    if (focused >= from && focused < to) rowAt(focused)?.querySelector("a").focus({ preventScroll: true });
  }

  const rowAt = (index) => body.querySelector(`tr[data-row="${index}"]`);
  const focusedIndex = () => {
    const row = body.contains(document.activeElement) ? document.activeElement.closest("tr[data-row]") : null;
    return row ? Number(row.dataset.row) : -1;
  };

  return {
    element: table,
    draw(found, state, openIndex) {
      rows = found;
      open = openIndex;
      table.setAttribute("aria-rowcount", String(rows.length + 1));
      const order = { current: state.sort, reverse: state.reverse, sort: actions.sort };
      const focus = head.contains(document.activeElement) ? document.activeElement.dataset.sort : "";
      replace(head, h("tr", { "aria-rowindex": "1" },
        sortHeading("Model", "name", { ...order, class: "model" }),
        sortHeading("Result", "result", { ...order, class: "result" }),
        sortHeading("Why", "why", { ...order, class: "why wide" }),
        sortHeading("Format", "format", { ...order, class: "format wide" }),
        withTflite && sortHeading("TFLite", "tflite", { ...order, class: "tflite wide" }),
        sortHeading("Before", "before", { ...order, class: "count size wide", hint: "Sort by size of the source" }),
        sortHeading("After", "after", { ...order, class: "count size wide", hint: "Sort by size of the result" }),
        sortHeading("Time", "time", { ...order, class: "count time" }),
        sortHeading("Findings", "findings", { ...order, class: "grave wide", hint: "Sort by findings" })));
      if (focus) head.querySelector(`[data-sort="${focus}"]`)?.focus({ preventScroll: true });
      from = to = 0;
      place(true);
    },
    place,
    /** Marks the row of the model that the panel shows. */
    mark(openIndex) {
      open = openIndex;
      for (const row of body.querySelectorAll("tr[data-row]")) {
        const is = rows[Number(row.dataset.row)]?.index === open;
        row.classList.toggle("open", is);
        row.querySelector("a").toggleAttribute("aria-current", is);
      }
    },
    rowOf: (element) => {
      const row = element.closest?.("tr[data-row]");
      return row && body.contains(row) ? Number(row.dataset.row) : -1;
    },
    /** Brings a row into sight, and the focus to it. */
    focus(index) {
      if (index < 0 || index >= rows.length) return;
      const height = rowHeight();
      const start = body.getBoundingClientRect().top;
      const bar = document.querySelector(".toolbar").getBoundingClientRect();
      const covered = getComputedStyle(document.querySelector(".toolbar")).position === "sticky" ? bar.height : 0;
      const above = start + index * height - covered;
      const below = start + (index + 1) * height - innerHeight;
      if (above < 0) scrollBy({ top: above, behavior: "instant" });
      else if (below > 0) scrollBy({ top: below + 8, behavior: "instant" });
      place();
      rowAt(index)?.querySelector("a").focus({ preventScroll: true });
    },
  };
}

const modelAddress = (model) => "#" + new URLSearchParams({ model: String(model.index) });

function modelRow(model, index, open, withTflite) {
  const is = model.index === open;
  const why = DONE.has(model.status) ? "" : ownReason(model);
  const all = why && [model.group?.title, model.reason].filter(Boolean).join(": ");
  return h("tr", { data: { row: index }, "aria-rowindex": index + 2, class: is ? "open" : false },
    h("th", { scope: "row", class: "model" },
      h("div", { class: "one-line" }, h("a", { href: modelAddress(model), "aria-current": is ? "true" : false, title: shown(model.name, 600) }, modelName(model.name, true)), model.earlier && h("span", { class: "earlier", title: "Of an earlier run" }, "earlier")),
      h("span", { class: "facts narrow" }, why || [formatWord(model.format), model.before ? size(model.before) : ""].filter(Boolean).join(" · "))),
    h("td", { class: "result" }, statusBadge(model.status)),
    h("td", { class: "why wide", title: all ? shown(all, 600) : false }, why),
    h("td", { class: "format wide" }, formatWord(model.format)),
    withTflite && h("td", { class: "tflite wide", title: model.tfliteWhy || false }, model.tflite && tfliteWord(model.tflite)),
    h("td", { class: "count size wide" }, model.before ? size(model.before) : ""),
    h("td", { class: "count size wide" }, model.after ? size(model.after) : ""),
    h("td", { class: "count time" }, model.time ? duration(model.time) : ""),
    h("td", { class: "grave wide" }, graveWords(model.counts)));
}
