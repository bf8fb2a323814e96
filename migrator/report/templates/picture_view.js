// The window on the picture: pan, zoom, fit, the small map, what is open and what is chosen.

const ZOOM_LEAST = 0.02;
const ZOOM_MOST = 4;
const FIRST_LEAST = 0.5; // the scale below which a first view begins at the top instead of fitting

/** The picture of a scene. `told`: {choose(item, cell), opened()} are called when it changes, covered() says how much of the window's foot something hides. */
function makePicture(scene, told) {
  const open = firstOpen(scene);
  const kept = new Map();
  let index = new Map();
  let layout = null;
  let chosen = null;
  const view = { x: 0, y: 0, k: 1, w: 800, h: 600 };
  const world = s("g", { class: "world" });
  const svg = s("svg", { class: "canvas", tabindex: 0, role: "group", "aria-label": `The graph. Arrow keys move, plus and minus zoom, 0 fits, Enter opens${scene.two ? ", n and p go from change to change" : ""}.` }, arrows(), world);
  const small = smallMap(view, (item) => (isScope(item) ? "" : scene.kindOf.get(item)), (item) => isScope(item) && open.has(scopeOf(item)), () => moved());

  function draw() {
    performance.mark("picture-draw");
    layout = layOut(scene, 0, open, kept);
    index = new Map();
    const group = drawLevel(scene, layout, open, kept, index, { x: 0, y: 0 });
    world.replaceChildren(group);
    if (chosen !== null) mark();
    cull();
    small.draw(layout, index);
    performance.measure("picture-draw", "picture-draw");
  }

  /* ---- the window ---- */

  let frame = 0;
  function moved() {
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      world.setAttribute("transform", `translate(${n(view.x)} ${n(view.y)}) scale(${view.k.toFixed(4)})`);
      svg.classList.toggle("far", view.k < 0.42);
      svg.classList.toggle("farther", view.k < 0.16);
      cull();
      small.draw(layout, index);
    });
  }

  /** Hides what lies outside of the window: only what is near costs. */
  let culled = { x0: 0, y0: 0, x1: 0, y1: 0, k: 0 };
  function cull() {
    const seen = { x0: -view.x / view.k, y0: -view.y / view.k, x1: (view.w - view.x) / view.k, y1: (view.h - view.y) / view.k };
    if (index.size < 400) return;
    const inside = seen.x0 >= culled.x0 && seen.y0 >= culled.y0 && seen.x1 <= culled.x1 && seen.y1 <= culled.y1;
    if (inside && culled.k === view.k && culled.index === index) return;
    const mx = (seen.x1 - seen.x0) * 0.5;
    const my = (seen.y1 - seen.y0) * 0.5;
    culled = { x0: seen.x0 - mx, y0: seen.y0 - my, x1: seen.x1 + mx, y1: seen.y1 + my, k: view.k, index };
    for (const { group, x, y, w, h } of index.values()) {
      const out = x > culled.x1 || y > culled.y1 || x + w < culled.x0 || y + h < culled.y0;
      if (out !== group.classList.contains("out")) group.classList.toggle("out", out);
    }
  }

  function zoomAt(factor, px = view.w / 2, py = view.h / 2) {
    const k = Math.min(ZOOM_MOST, Math.max(ZOOM_LEAST, view.k * factor));
    view.x = px - ((px - view.x) * k) / view.k;
    view.y = py - ((py - view.y) * k) / view.k;
    view.k = k;
    moved();
  }

  function show({ x, y, w, h: high }, { least = 0, most = 1.25, from = "middle" } = {}) {
    const edge = 24;
    const room = Math.max(80, view.h - told.covered());
    const scale = Math.min(most, (view.w - 2 * edge) / w, (room - 2 * edge) / high);
    view.k = Math.max(ZOOM_LEAST, least, scale);
    view.x = view.w / 2 - (x + w / 2) * view.k;
    view.y = room / 2 - (y + high / 2) * view.k;
    if (from === "top" && high * view.k > room - 2 * edge) view.y = edge - y * view.k;
    moved();
  }

  const whole = () => ({ x: 0, y: 0, w: layout.w, h: layout.h });
  const fit = () => show(whole());

  /** Places of what changed, as far as it is drawn: what stands alone last, then from the top. */
  function changesShown() {
    const lined = new Set(layout.edges.flatMap(({ a, b }) => [a, b]));
    const lone = new Set(layout.boxes.filter(({ end }) => !lined.has(end)).map(({ item }) => item));
    const found = [];
    for (const [item, place] of index) {
      const scope = isScope(item) ? scene.scopes[scopeOf(item)] : null;
      const told = scope ? !open.has(scopeOf(item)) && changedBelow(scope) : isChanged(scene, item) || (scene.held.get(item) ?? []).some((one) => isChanged(scene, one));
      if (told) found.push({ ...place, lone: lone.has(item) });
    }
    return found.sort((a, b) => a.lone - b.lone || a.y - b.y);
  }

  /** A shift of the picture by which no side of the window is left empty without need. */
  const within = (shift, long, room) => (long <= room - 48 ? (room - long) / 2 : Math.min(24, Math.max(room - 24 - long, shift)));

  function firstView() {
    const scale = Math.min((view.w - 48) / layout.w, (view.h - 48) / layout.h);
    const changed = scale < FIRST_LEAST && scene.scopes[0].drawn <= FEW_CHANGES ? changesShown() : [];
    if (changed.length) {
      const { x, y, w, h: high } = changed[0];
      view.k = 0.8;
      view.x = within(view.w / 2 - (x + w / 2) * view.k, layout.w * view.k, view.w);
      view.y = within(view.h / 3 - (y + high / 2) * view.k, layout.h * view.k, view.h);
      moved();
      return;
    }
    const across = (view.w - 48) / layout.w;
    const served = scene.two ? undefined : index.get(scopeItem(servedOf(scene)));
    if (served && scale < 1) {
      show(served, { least: Math.max(0.6, Math.min(0.9, (view.w - 48) / served.w)), from: "top" });
      return;
    }
    show(whole(), { least: scale >= FIRST_LEAST ? 0 : Math.max(0.6, Math.min(0.9, across)), from: "top" });
    if (layout.w * view.k > view.w) {
      const weigh = ({ item }) => (isScope(item) ? weightOf(scene.scopes[scopeOf(item)]) : 1);
      const main = layout.boxes.reduce((best, box) => (weigh(box) > weigh(best) ? box : best), layout.boxes[0]);
      const middle = main ? main.x + main.w / 2 : layout.w / 2;
      view.x = Math.min(24, Math.max(view.w - 24 - layout.w * view.k, view.w / 2 - middle * view.k));
    }
  }

  /* ---- what is open and chosen ---- */

  function changed(scope) {
    for (let one = scope; one >= 0; one = scene.scopes[one].parent) kept.delete(one);
  }

  function toggle(scope) {
    const before = index.get(scopeItem(scope));
    if (open.has(scope)) closeBelow(scope);
    else open.add(scope);
    changed(scope);
    draw();
    const after = index.get(scopeItem(scope));
    if (before && after) {
      // The scope's head stays where it was.
      view.x += (before.x + (before.w - after.w) / 2 - after.x) * view.k;
      view.y += (before.y - after.y) * view.k;
    }
    moved();
    told.opened();
  }

  function closeBelow(scope) {
    open.delete(scope);
    kept.delete(scope);
    for (const item of scene.scopes[scope].items) if (isScope(item) && open.has(scopeOf(item))) closeBelow(scopeOf(item));
  }

  function reveal(item) {
    let fresh = false;
    for (const scope of scopesAbove(scene, item)) {
      if (open.has(scope)) continue;
      open.add(scope);
      changed(scope);
      fresh = true;
    }
    if (fresh) draw();
    if (fresh) told.opened();
  }

  function mark() {
    for (const line of svg.querySelectorAll(".on")) line.classList.remove("on");
    const place = index.get(chosen);
    if (!place) return;
    place.group.classList.add("on");
    const scope = scene.above(chosen);
    const level = kept.get(scope);
    const end = scene.scopes[scope].items.indexOf(chosen);
    for (const edge of level?.edges ?? []) if (edge.a === end || edge.b === end) edge.line.classList.add("on");
  }

  function choose(item, { center = false, cell = isScope(item) ? -1 : item } = {}) {
    chosen = item;
    if (item !== null) reveal(item);
    mark();
    told.choose(item, cell);
    if (item === null) {
      for (const line of svg.querySelectorAll(".on")) line.classList.remove("on");
    } else if (center) {
      const { x, y, w, h: high } = index.get(item);
      const least = Math.max(view.k, 0.8);
      show({ x: x - 10, y: y - 10, w: w + 20, h: high + 20 }, { least: Math.min(least, 1.25), most: 1.25, from: "top" });
    }
  }

  /** The item next to the chosen one in a direction, of the same scope. */
  function neighbour(dx, dy) {
    const from = index.get(chosen);
    if (!from) return null;
    let best = null;
    for (const item of scene.scopes[scene.above(chosen)].items) {
      const to = index.get(item);
      if (!to || item === chosen) continue;
      const x = to.x + to.w / 2 - from.x - from.w / 2;
      const y = to.y + to.h / 2 - from.y - from.h / 2;
      const along = x * dx + y * dy;
      const aside = Math.abs(x * dy) + Math.abs(y * dx);
      if (along > 4 && (!best || along + aside * 2 < best.far)) best = { item, far: along + aside * 2 };
    }
    return best?.item ?? null;
  }

  /* ---- what the reader does ---- */

  const pointers = new Map();
  let dragged = 0;
  const at = (event) => {
    const area = svg.getBoundingClientRect();
    return { x: event.clientX - area.left, y: event.clientY - area.top };
  };
  svg.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    pointers.set(event.pointerId, at(event));
    dragged = 0;
  });
  svg.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const wide = (p) => Math.hypot(p.x - other.x, p.y - other.y);
      zoomAt(wide(now) / Math.max(1, wide(before)), (now.x + other.x) / 2, (now.y + other.y) / 2);
      dragged = 99;
    } else {
      dragged += Math.hypot(now.x - before.x, now.y - before.y);
      if (dragged > 4) {
        if (!svg.hasPointerCapture(event.pointerId)) svg.setPointerCapture(event.pointerId);
        svg.classList.add("held");
        view.x += now.x - before.x;
        view.y += now.y - before.y;
        moved();
      }
    }
    pointers.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    svg.addEventListener(name, (event) => {
      pointers.delete(event.pointerId);
      svg.classList.remove("held");
    });
  }
  svg.addEventListener("click", (event) => {
    if (dragged > 4) return;
    const group = event.target.closest(".item");
    if (!group) return choose(null);
    const item = Number(group.dataset.item);
    if (isScope(item) && (!open.has(scopeOf(item)) || event.target.closest(".head"))) {
      toggle(scopeOf(item));
      choose(item);
    } else choose(item);
  });
  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = at(event);
    const step = event.deltaMode === 1 ? event.deltaY * 18 : event.deltaY;
    zoomAt(Math.exp(-Math.max(-120, Math.min(120, step)) * 0.0022), x, y);
  }, { passive: false });
  const KEYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = KEYS[event.key];
    if (way) {
      const next = chosen !== null && !event.shiftKey ? neighbour(...way) : null;
      if (next !== null) {
        choose(next);
        follow(next);
      } else {
        view.x -= way[0] * 80;
        view.y -= way[1] * 80;
        moved();
      }
    } else if (event.key === "+" || event.key === "=") zoomAt(1.3);
    else if (event.key === "-") zoomAt(1 / 1.3);
    else if (event.key === "0") fit();
    else if (event.key === "Escape") choose(null);
    else if ((event.key === "Enter" || event.key === " ") && chosen !== null) {
      if (isScope(chosen)) toggle(scopeOf(chosen));
      choose(chosen);
    } else if (event.key === "Enter" && layout.boxes.length) choose(layout.boxes[0].item);
    else return;
    event.preventDefault();
  });
  function follow(item) {
    const { x, y, w, h: high } = index.get(item);
    const sx = view.x + (x + w / 2) * view.k;
    const sy = view.y + (y + high / 2) * view.k;
    const room = view.h - told.covered();
    if (sx < 60 || sx > view.w - 60) view.x += view.w / 2 - sx;
    if (sy < 40 || sy > room - 40) view.y += room / 2 - sy;
    moved();
  }
  let first = true;
  const paper = matchMedia("print");
  new ResizeObserver(([entry]) => {
    if (paper.matches && !first) return; // what is printed is what was seen
    const { width, height } = entry.contentRect;
    if (!width || !height) return;
    if (!first) view.x += (width - view.w) / 2;
    Object.assign(view, { w: width, h: height });
    svg.setAttribute("viewBox", `0 0 ${n(width)} ${n(height)}`);
    if (first) firstView();
    first = false;
    moved();
  }).observe(svg);
  printWhole(svg, () => ({ ...view, w: layout.w * view.k, h: layout.h * view.k, items: index }));
  draw();
  return {
    svg, map: small.canvas, fit, zoomAt, choose, toggle, open, view, draw,
    chosen: () => chosen,
    shownItems: () => index.size,
    /** Shows a cell, folded or not, and chooses it. */
    jump: (cell) => choose(scene.item(cell), { center: true, cell }),
    jumpScope: (scope) => choose(scopeItem(scope), { center: true }),
    closeAll() {
      for (const scope of [...open]) if (scope) open.delete(scope);
      kept.clear();
      draw();
      fit();
      told.opened();
    },
    openAll() {
      let shownNow = index.size;
      let queue = [0];
      while (queue.length) {
        const next = [];
        for (const scope of queue) {
          const { items } = scene.scopes[scope];
          if (!open.has(scope)) {
            if (shownNow + items.length > 900) continue;
            shownNow += items.length;
            open.add(scope);
          }
          next.push(...items.filter(isScope).map(scopeOf));
        }
        queue = next;
      }
      kept.clear();
      draw();
      fit();
      told.opened();
    },
  };
}
