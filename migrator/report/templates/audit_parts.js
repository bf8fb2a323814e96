// Small pieces that several views use.

const severityBadge = (level) =>
  h("span", { class: "badge", data: { severity: SEVERITIES[level] } }, SEVERITY_WORDS[level]);

const verdictBadge = (verdict) =>
  h("span", { class: "verdict", data: { verdict } }, h("i", { class: "glyph", "aria-hidden": "true" }), VERDICT_WORDS[verdict]);

const familyWord = (family) =>
  Object.hasOwn(FAMILY_WORDS, family) ? FAMILY_WORDS[family] : shown(family.slice(0, 20));

/** A path with the part that tells it set off, and room to break after each folder. */
function pathName(model) {
  return h("span", { class: "name" },
    model.folder && h("span", { class: "dim" }, breaking(shown(model.folder, 300))),
    h("b", {}, shown(model.name, 200)),
    model.tail && h("span", { class: "dim" }, breaking(model.tail)));
}

/** A path that may go on in a new line after each folder. */
const breaking = (path) => path.split(/(?<=\/)/).map((part) => [part, part.endsWith("/") && h("wbr")]);

/** A name of the model, in its own type, cut where it would fill the page. */
const mono = (text, most = 1000) => h("code", {}, shown(text, most));

/** "2 critical, 4 high" for the counts that are not zero. */
const severityList = (counts) =>
  counts.map((count, level) => (count ? `${number(count)} ${SEVERITIES[level]}` : "")).filter(Boolean).join(", ");

/** The first `step` items, and a button that brings more. Drawn only when asked for. */
function growing(list, items, draw, step, what) {
  let drawn = 0;
  const more = h("button", { type: "button", class: "more" });
  const grow = () => {
    const until = Math.min(items.length, drawn + step);
    const fresh = document.createDocumentFragment();
    for (; drawn < until; drawn++) fresh.append(draw(items[drawn]));
    list.append(fresh);
    const left = items.length - drawn;
    more.hidden = left === 0;
    more.textContent = `Show ${number(Math.min(step, left))} more of ${plural(left, what)} left`;
  };
  more.addEventListener("click", () => {
    const before = list.children.length;
    grow();
    const first = list.children[before];
    if (first) {
      first.tabIndex = -1;
      first.focus({ preventScroll: true });
    }
  });
  grow();
  return [list, more];
}

/** A heading in a table that sorts. */
function sortHeading(text, key, { current, reverse, sort, hint, ...props }) {
  const active = current === key;
  const direction = reverse ? "ascending" : "descending";
  return h("th", { scope: "col", "aria-sort": active ? direction : false, ...props },
    h("button", { type: "button", class: "sort", title: hint ?? `Sort by ${text.toLowerCase()}`, data: { sort: key, active: active ? direction : "" }, on: { click: () => sort(key) } }, text));
}

/** A button of a filter: pressed or not, with its count. */
function facetButton({ pressed, label, count, action, disabled, ...props }) {
  return h("button", { type: "button", "aria-pressed": pressed ? "true" : "false", on: { click: action }, ...props }, label, count);
}
