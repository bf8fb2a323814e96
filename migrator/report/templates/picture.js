// A picture with its bar and its panel, ready to be put on a page.

const SORT_WORDS = { layer: "Layers", norm: "Norms", active: "Activations", pool: "Pooling, sums", shape: "Shapes", flow: "Control flow", call: "Calls", state: "State", data: "Data" };

/** The element that holds the picture of a scene; `take(picture)` is given what drives it. */
function pictureOf(raw, take = () => {}) {
  performance.mark("picture-start");
  const scene = prepareScene(raw);
  const body = h("div", { class: "panel-body" });
  const panel = h("aside", { class: "details", "aria-label": "Details", hidden: true },
    h("button", { type: "button", class: "quiet shut", "aria-label": "Close the details", on: { click: () => picture.choose(null) } }, "Close"), body);
  const status = h("span", { class: "status" });
  const say = () => (status.textContent = `${plural(picture.shownItems(), "item")} shown of ${plural(scene.scopes[0].below, "node")}`);
  const picture = makePicture(scene, {
    choose(item, cell) {
      panel.hidden = item === null;
      frame.classList.toggle("with-details", item !== null);
      if (item === null) return writeHash(new URLSearchParams());
      replace(body, panelFor(scene, item, cell, picture));
      body.scrollTop = 0;
      announce(isScope(item) ? scene.scopes[scopeOf(item)].label : scene.name(item));
      const named = cell >= 0 ? cell : isScope(item) ? scene.scopes[scopeOf(item)].call : item;
      writeHash(new URLSearchParams(named >= 0 ? { node: scene.name(named) } : {}));
    },
    opened: () => say(),
    covered: () => (getComputedStyle(panel).position === "absolute" ? panel.offsetHeight : 0),
  });
  const search = searchField(scene, picture);
  const button = (text, label, action) => h("button", { type: "button", class: "tool", "aria-label": label, title: label, on: { click: action } }, text);
  const steps = scene.two && changeSteps(scene, picture);
  const bar = h("div", { class: "picture-bar" }, search.box,
    steps && steps.box,
    h("div", { class: "tools" }, button("−", "Zoom out", () => picture.zoomAt(1 / 1.3)), button("+", "Zoom in", () => picture.zoomAt(1.3)), button("Fit", "Fit all into view", () => picture.fit()),
      button("Open all", "Open scopes, as many as fit a picture", () => picture.openAll()), button("Close all", "Close all scopes", () => picture.closeAll())));
  const frame = h("div", { class: "picture" + (scene.two ? " two" : "") }, bar, h("div", { class: "stage" }, picture.svg, picture.map, panel), h("div", { class: "picture-foot" }, status, legend(scene)));
  frame.addEventListener("keydown", (event) => {
    if (event.target === search.field || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") search.field.focus();
    else if (event.key === "n" && steps) steps.step(1);
    else if (event.key === "p" && steps) steps.step(-1);
    else return;
    event.preventDefault();
  });
  say();
  frame.search = search.field;
  take(picture, scene);
  requestAnimationFrame(() => {
    const cell = scene.raw.names.indexOf(readHash().get("node") ?? "");
    if (cell >= 0) picture.jump(cell);
  });
  requestAnimationFrame(() => frame.style.setProperty("--above", `${Math.round(frame.getBoundingClientRect().top + scrollY)}px`));
  performance.measure("picture-ready", "picture-start");
  return frame;
}

/** What the colours and marks mean, as far as they occur. */
function legend(scene) {
  const there = new Set(scene.two ? scene.kindOf.values() : scene.raw.sorts);
  const boxes = scene.two
    ? KINDS.filter((kind) => there.has(kind)).map((kind) => h("li", { class: "kind", data: { kind } }, h("i", { "aria-hidden": "true" }, KIND_MARKS[kind]), KIND_WORDS[kind]))
    : Object.entries(SORT_WORDS).filter(([sort]) => there.has(sort)).map(([sort, word]) => h("li", { data: { sort } }, h("i", { class: "swatch", "aria-hidden": "true" }), word));
  let flags = 0;
  for (const [, , , , edges] of scene.raw.layouts) for (let at = 3; at < edges.length; at += 6) flags |= edges[at];
  const lines = [["control", "Waits for"], ["loop", "Loop"], ["fresh", "New input"], ["gone", "Former input"]].filter(([name]) => flags & FLAG[name]);
  const line = (name) => s("svg", { class: "sample", width: 26, height: 8, "aria-hidden": "true" }, s("path", { class: `edge ${name}`, d: "M0 4H26", "stroke-width": 1.6 }));
  return h("ul", { class: "legend" }, boxes, lines.map(([name, word]) => h("li", {}, line(name), word)));
}

/** Buttons that go from one change to the next, in the order of the picture's scopes. */
function changeSteps(scene, picture) {
  const order = [];
  const stack = [0];
  while (stack.length) {
    const scope = scene.scopes[stack.pop()];
    if (scope.call >= 0 && isChanged(scene, scope.call)) order.push(scope.call);
    for (const item of scope.items) {
      if (isScope(item)) stack.push(scopeOf(item));
      else if (isChanged(scene, item)) order.push(item);
      else order.push(...(scene.held.get(item) ?? []).filter((one) => isChanged(scene, one)).slice(0, 1));
    }
  }
  if (!order.length) return null;
  let at = -1;
  const step = (by) => {
    at = at < 0 && by < 0 ? order.length - 1 : (at + by + order.length) % order.length;
    picture.jump(order[at]);
    count.textContent = `${number(at + 1)} of ${number(order.length)}`;
  };
  const count = h("span", { class: "status" }, plural(order.length, "change"));
  const button = (label, by, name, sign) => h("button", { type: "button", class: `tool ${name}`, "aria-label": label, title: `${label} (${name[0]})`, on: { click: () => step(by) } }, sign);
  return { step, box: h("div", { class: "steps" }, button("Previous change", -1, "previous", "‹"), count, button("Next change", 1, "next", "›")) };
}

/** Why there is no picture, where there is something to say about it. */
const noPicture = (note) => typeof note === "string" && note !== "" && h("p", { class: "dim no-picture" }, shown(note[0].toUpperCase() + note.slice(1), 600));

/** One picture, or several to choose from by name. */
function picturesOf(scenes, take) {
  const place = h("div", {});
  const put = (number) => replace(place, pictureOf(scenes[number].scene, take));
  put(0);
  if (scenes.length < 2) return place;
  const choice = h("select", { "aria-label": "Graph", on: { change: () => put(Number(choice.value)) } }, scenes.map((one, index) => h("option", { value: index }, shown(one.label, 80))));
  return h("div", {}, h("p", { class: "which" }, choice), place);
}
