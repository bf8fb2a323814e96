// What is known of the chosen node or scope, and the search that finds one.

const FEW = 24;

/** Draws the panel for an item; `cell` is the folded one that was asked for, if any. */
function panelFor(scene, item, cell, picture) {
  const scope = isScope(item) ? scene.scopes[scopeOf(item)] : null;
  const shownCell = cell >= 0 ? cell : scope ? scope.call : item;
  return [
    scope && scopePart(scene, scopeOf(item), picture),
    shownCell >= 0 && cellPart(scene, shownCell, picture),
  ];
}

const kindBadge = (kind) => h("span", { class: "kind", data: { kind } }, h("i", { "aria-hidden": "true" }, KIND_MARKS[kind]), KIND_WORDS[kind]);

function scopePart(scene, own, picture) {
  const scope = scene.scopes[own];
  const isOpen = picture.open.has(own);
  const ops = opsBelow(scene, own).slice(0, 12);
  const words = { scope: "Scope", call: "Call, with what it calls", body: "Function", library: "Functions", group: "Part of a long list" };
  return h("section", {},
    h("p", { class: "dim sort" }, words[scope.kind] ?? ""),
    scope.call < 0 && h("h3", {}, h("span", { class: "name" }, shown(scope.label || "(no name)", 300))),
    h("p", {}, plural(scope.below, "node"), " ", KINDS.filter((kind) => scope.kinds[kind]).map((kind) => [" ", h("span", { class: "kind", data: { kind } }, h("i", { "aria-hidden": "true" }, KIND_MARKS[kind]), `${number(scope.kinds[kind])} ${kind}`)])),
    h("p", { class: "actions" }, h("button", { type: "button", class: "toggle-scope", on: { click: () => { picture.toggle(own); picture.choose(scopeItem(own)); } } }, isOpen ? "Close" : "Open")),
    ops.length > 0 && scope.call < 0 && [h("h4", {}, "Drawn ops"), h("ul", { class: "ops" }, ops.map(([op, count]) => h("li", {}, h("span", {}, shown(op, 80)), h("span", { class: "dim" }, number(count)))))]);
}

function cellPart(scene, cell, picture) {
  const before = scene.raw.befores?.[cell] ?? null;
  const kind = scene.kindOf.get(cell);
  const host = scene.host[cell];
  const held = (scene.held.get(cell) ?? []).filter((one) => one !== cell);
  const inputs = scene.raw.inputs[cell];
  return h("section", {},
    kind && h("p", {}, kindBadge(kind)),
    h("h3", {}, before?.[1] != null && [h("del", {}, shown(scene.raw.ops[before[1]], 100)), " "], shown(scene.op(cell), 100)),
    h("p", { class: "full" }, h("code", {}, shown(scene.name(cell), 600)), " ", copyButton(scene.name(cell), "name")),
    before?.[0] != null && h("p", { class: "full was" }, h("span", { class: "dim" }, "was "), h("code", {}, shown(before[0], 600))),
    host !== cell && h("p", { class: "dim" }, "Drawn on ", cellLink(scene, host, picture)),
    before && changesPart(scene, cell, before),
    attributesPart(scene, cell),
    callsPart(scene, cell, picture),
    inputs.length > 0 && [h("h4", {}, `Inputs (${number(inputs.length)})`), linkList(inputs, (input) => inputRow(scene, input, picture))],
    consumersPart(scene, cell, picture),
    held.length > 0 && [h("h4", {}, `Drawn on it (${number(held.length)})`), linkList(held, (one) => h("li", {}, cellLink(scene, one, picture), scene.kindOf.get(one) && [" ", kindBadge(scene.kindOf.get(one))], scene.raw.badges[one] && h("span", { class: "dim" }, ` ${shown(scene.raw.badges[one], 60)}`)))]);
}

function pairsOf(list) {
  const found = new Map();
  for (let at = 0; at + 1 < (list?.length ?? 0); at += 2) found.set(list[at], list[at + 1]);
  return found;
}

function changesPart(scene, cell, before) {
  const rows = [];
  if (before[2] != null) {
    const old = pairsOf(scene.raw.texts[before[2]]);
    const now = pairsOf(scene.raw.texts[scene.raw.attrs[cell]]);
    for (const key of [...new Set([...old.keys(), ...now.keys()])].sort()) {
      if (old.get(key) !== now.get(key)) rows.push([key, old.get(key), now.get(key)]);
    }
  }
  if (before[3] != null) {
    const text = (input) => {
      const name = scene.name(scene.producer(input));
      return !Array.isArray(input) ? (input < 0 ? `^${name}` : name) : `${name}:${input[1]}`;
    };
    const now = scene.raw.inputs[cell].map(text);
    for (let slot = 0; slot < Math.max(now.length, before[3].length); slot++) {
      if (now[slot] !== before[3][slot]) rows.push([`input ${slot}`, before[3][slot], now[slot]]);
    }
  }
  if (!rows.length) return null;
  return [h("h4", {}, "Before and after"), h("table", { class: "changes" }, h("thead", {}, h("tr", {}, ["", "Before", "After"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rows.slice(0, 60).map(([key, old, now]) => h("tr", {}, h("th", { scope: "row" }, shown(key, 80)), h("td", { class: "old" }, old === undefined ? "—" : shown(old, 300)), h("td", { class: "new" }, now === undefined ? "—" : shown(now, 300))))))];
}

function attributesPart(scene, cell) {
  const said = pairsOf(scene.raw.texts[scene.raw.attrs[cell]]);
  if (!said.size) return null;
  return [h("h4", {}, "Attributes"), h("dl", { class: "attributes" }, [...said].map(([key, value]) => h("div", {}, h("dt", {}, shown(key, 80)), h("dd", {}, shown(value, 400)))))];
}

function callsPart(scene, cell, picture) {
  const calls = scene.raw.calls[cell];
  if (!calls) return null;
  return [h("h4", {}, "Calls"), h("ul", { class: "links" }, calls.slice(0, FEW).map(([key, name, scope]) => h("li", {}, h("span", { class: "dim" }, `${shown(key, 60)}: `), scope > 0 ? linkButton(name, () => picture.jumpScope(scope)) : shown(name, 200))))];
}

function consumersPart(scene, cell, picture) {
  const readers = consumersOf(scene, cell);
  if (!readers.length) return null;
  return [h("h4", {}, `Read by (${number(readers.length)})`), linkList(readers, ([reader, slot]) => h("li", {}, cellLink(scene, reader, picture), h("span", { class: "dim" }, slot < 0 ? " waits" : ` input ${slot}`)))];
}

function inputRow(scene, input, picture) {
  const producer = scene.producer(input);
  const note = Array.isArray(input) ? ` output ${input[1]}` : input < 0 ? " wait" : "";
  const root = rootValue(scene, producer);
  return h("li", {}, cellLink(scene, producer, picture), h("span", { class: "dim" }, note), root >= 0 && scene.raw.badges[root] && h("span", { class: "dim" }, ` ${shown(scene.raw.badges[root], 60)}`));
}

const linkButton = (text, action) => h("button", { type: "button", class: "link", on: { click: action } }, shown(text, 200));
const cellLink = (scene, cell, picture) => [linkButton(scene.name(cell), () => picture.jump(cell)), h("span", { class: "dim" }, ` ${shown(scene.op(cell), 60)}`)];

function linkList(items, draw) {
  const list = h("ul", { class: "links" });
  let count = 0;
  const more = h("button", { type: "button", class: "quiet" });
  const grow = () => {
    for (const until = Math.min(items.length, count + FEW); count < until; count++) list.append(draw(items[count]));
    more.hidden = count >= items.length;
    more.textContent = `${number(items.length - count)} more`;
  };
  more.addEventListener("click", grow);
  grow();
  return [list, more];
}

/** A field that finds nodes by name or op, and scopes; Enter and arrows go through the finds. */
function searchField(scene, picture) {
  const MOST = 60;
  const list = h("ul", { class: "finds", role: "listbox", id: "finds", hidden: true });
  const field = h("input", { type: "search", class: "find", placeholder: "Find a node or an op", "aria-label": "Find a node or an op", role: "combobox", "aria-expanded": "false", "aria-controls": "finds", autocomplete: "off", spellcheck: "false" });
  let finds = [];
  let active = -1;
  let lower = null;
  const find = (text) => {
    lower ??= scene.raw.names.map((name) => name.toLowerCase());
    const word = text.trim().toLowerCase();
    if (!word) return { found: [], more: 0 };
    const ops = scene.raw.ops.map((op) => op.toLowerCase().includes(word));
    const ranked = [[], [], []];
    let total = 0;
    for (let cell = 0; cell < scene.count; cell++) {
      const name = lower[cell];
      const hit = name.includes(word);
      if (!hit && !ops[scene.raw.op[cell]]) continue;
      if (scene.place[scene.host[cell]] < 0) continue;
      total++;
      const rank = name === word || name.endsWith("/" + word) ? 0 : hit ? 1 : 2;
      if (ranked[rank].length < MOST) ranked[rank].push(cell);
    }
    const found = ranked.flat().slice(0, MOST);
    return { found, more: total - found.length };
  };
  const go = (number) => {
    if (!finds.length) return;
    active = (number + finds.length) % finds.length;
    [...list.children].forEach((row, index) => row.setAttribute("aria-selected", index === active ? "true" : "false"));
    list.children[active].scrollIntoView({ block: "nearest" });
    picture.jump(finds[active]);
    announce(`${active + 1} of ${finds.length}: ${scene.name(finds[active])}`);
  };
  const shut = () => {
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
  };
  const update = () => {
    const { found, more } = find(field.value);
    finds = found;
    active = -1;
    replace(list, found.map((cell, index) => h("li", { role: "option", "aria-selected": "false", on: { mousedown: (event) => { event.preventDefault(); go(index); shut(); } } }, h("span", { class: "name" }, shown(scene.name(cell), 160)), h("span", { class: "dim" }, shown(scene.op(cell), 60)))),
      more > 0 && h("li", { class: "dim", role: "presentation" }, `and ${number(more)} more`),
      field.value.trim() && !found.length && h("li", { class: "dim", role: "presentation" }, "Nothing found"));
    list.hidden = !field.value.trim();
    field.setAttribute("aria-expanded", list.hidden ? "false" : "true");
  };
  field.addEventListener("input", update);
  field.addEventListener("focus", () => field.value.trim() && finds.length && (list.hidden = false));
  field.addEventListener("blur", shut);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") go(event.shiftKey ? active - 1 : active + 1);
    else if (event.key === "ArrowDown") go(active + 1);
    else if (event.key === "ArrowUp") go(active - 1);
    else if (event.key === "Escape") {
      if (list.hidden) picture.svg.focus();
      shut();
    } else return;
    event.preventDefault();
  });
  return { box: h("div", { class: "search" }, field, list), field };
}
