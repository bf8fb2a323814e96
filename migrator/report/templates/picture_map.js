// The small map of the whole picture, and the picture on paper.

const MAP = { w: 176, h: 132, most: 1500 };

/**
 * A canvas with all that is drawn and the window on it; a press moves the window (`view` is
 * changed, then moved() called). kindOf(item), isOpen(item) say what an item looks like.
 */
function smallMap(view, kindOf, isOpen, moved) {
  const canvas = h("canvas", { class: "map", width: MAP.w, height: MAP.h, "aria-hidden": "true" });
  const probe = { theme: "", known: {} };
  let shownAt = null;

  /** Colours of the page as a canvas takes them, for the theme that holds now. */
  function colours() {
    const theme = getComputedStyle(canvas).backgroundColor;
    if (probe.theme !== theme) Object.assign(probe, { theme, known: {} });
    return (name) => {
      if (!probe.known[name]) {
        canvas.style.color = `var(--${name})`;
        probe.known[name] = getComputedStyle(canvas).color;
      }
      return probe.known[name];
    };
  }

  function draw(layout, index) {
    const scale = Math.min(MAP.w / layout.w, MAP.h / layout.h);
    const inView = layout.w * view.k <= view.w && layout.h * view.k <= view.h;
    canvas.hidden = inView || view.w < 560;
    if (canvas.hidden) return;
    const pen = canvas.getContext("2d");
    const tone = colours();
    pen.clearRect(0, 0, MAP.w, MAP.h);
    const left = (MAP.w - layout.w * scale) / 2;
    const up = (MAP.h - layout.h * scale) / 2;
    let count = 0;
    for (const [item, place] of index) {
      if (++count > MAP.most) break;
      pen.fillStyle = tone(kindOf(item) || (isOpen(item) ? "sunk" : "line-strong"));
      pen.fillRect(left + place.x * scale, up + place.y * scale, Math.max(1, place.w * scale), Math.max(1, place.h * scale));
    }
    pen.strokeStyle = tone("accent");
    pen.lineWidth = 1.5;
    const edge = (value, most) => Math.max(1, Math.min(most - 1, value));
    const [x0, x1] = [-view.x, view.w - view.x].map((x) => edge(left + (x / view.k) * scale, MAP.w));
    const [y0, y1] = [-view.y, view.h - view.y].map((y) => edge(up + (y / view.k) * scale, MAP.h));
    pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
    shownAt = { left, up, scale };
  }

  const pressed = (event) => {
    if (!event.buttons || !shownAt) return;
    const area = canvas.getBoundingClientRect();
    view.x = view.w / 2 - ((event.clientX - area.left - shownAt.left) / shownAt.scale) * view.k;
    view.y = view.h / 2 - ((event.clientY - area.top - shownAt.up) / shownAt.scale) * view.k;
    moved();
  };
  canvas.addEventListener("pointerdown", pressed);
  canvas.addEventListener("pointermove", pressed);
  return { canvas, draw };
}

const PAPER = { w: 1000, h: 1000, least: 0.3 }; // scale up to which all of a picture is printed

/** On paper: the whole picture where that is readable, else what the window shows. */
function printWhole(svg, place) {
  let before = null;
  addEventListener("beforeprint", () => {
    const { x, y, w, h: high, k, items } = place();
    before = null;
    if (Math.min(PAPER.w / (w / k), PAPER.h / (high / k)) < PAPER.least) return;
    before = svg.getAttribute("viewBox");
    for (const { group } of items.values()) group.classList.remove("out");
    svg.setAttribute("viewBox", `${n(x)} ${n(y)} ${n(w)} ${n(high)}`);
  });
  addEventListener("afterprint", () => before && svg.setAttribute("viewBox", before));
}
