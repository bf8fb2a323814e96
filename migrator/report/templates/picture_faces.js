// What stands on a box, and how large that makes it.

const LEAF_HIGH = 40;
const LEAF_LOW = 28;
const CLOSED_HIGH = 46;

const ruler = document.createElement("canvas").getContext("2d");
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, sans-serif';
const measured = new Map();

/** Width of a text as it is drawn. */
function textWidth(text, font) {
  const key = font + text;
  let width = measured.get(key);
  if (width === undefined) {
    ruler.font = `${font} ${FONT}`;
    width = ruler.measureText(text).width;
    measured.set(key, width);
  }
  return width;
}

/** A text cut to a width, its end kept: numbers tell siblings apart. */
function fitted(text, width, font) {
  text = shown(text, 120);
  if (textWidth(text, font) <= width) return text;
  let keep = text.length;
  while (keep > 4) {
    keep = Math.floor(keep * 0.9);
    const head = Math.ceil(keep * 0.55);
    const cut = `${text.slice(0, head)}…${text.slice(text.length - (keep - head))}`;
    if (textWidth(cut, font) <= width) return cut;
  }
  return "…";
}

const FONTS = { op: "600 13px", name: "400 11px", badge: "400 10.5px", count: "600 10.5px", scope: "600 13px", gist: "400 11px" };
const MARK_WIDTH = 20;

/** What stands on a box, and how large it is. Kept, since it never changes. */
function face(scene, item) {
  scene.faces ??= new Map();
  let found = scene.faces.get(item);
  if (!found) scene.faces.set(item, (found = isScope(item) ? scopeFace(scene, scopeOf(item)) : leafFace(scene, item)));
  return found;
}

const plainName = (text) => text.toLowerCase().replace(/[_\d]+$|[^a-z]/g, "");
const END_WORDS = new Map([["in", "input"], ["out", "output"]]);
const END_OPS = new Map([["_Arg", "argument"], ["_Retval", "result"], ["Placeholder", "input"], ["PlaceholderWithDefault", "input or default"]]);

/** Arguments, results, placeholders, and what a model is fed and asked for. */
const isEnd = (scene, cell) => scene.sort(cell) === "ends" || (scene.raw.ends ?? {})[cell] !== undefined;

/** What an end says of itself: that it is one, what it holds, its op where that tells more. */
function endWords(scene, cell) {
  const op = scene.op(cell);
  const side = END_WORDS.get((scene.raw.ends ?? {})[cell]);
  const word = side ?? END_OPS.get(op) ?? op;
  return [word, side === "output" && op !== "_Retval" && op, (scene.raw.shapes ?? {})[cell]].filter(Boolean).join(" · ");
}

function leafFace(scene, cell) {
  const op = scene.op(cell);
  const kind = scene.kindOf.get(cell) ?? "";
  const end = isEnd(scene, cell);
  const name = scene.label(cell);
  const title = fitted(end ? name : op, 210, FONTS.op);
  const plain = plainName(name) === plainName(op) && !kind;
  const shape = (scene.raw.shapes ?? {})[cell];
  const own = [!plain && fitted(name, 170, FONTS.name), shape && `→ ${shown(shape, 60)}`].filter(Boolean).join(" ");
  const said = end ? fitted(endWords(scene, cell), 210, FONTS.name) : own;
  const roots = scene.values.has(cell) && scene.raw.badges[cell] ? [cell] : weightsOf(scene, cell);
  const badges = roots
    .map((root) => ({ text: scene.raw.badges[root] ?? "", kind: root === cell ? "" : scene.kindOf.get(root) ?? "" }))
    .filter((one) => one.kind || (one.text && (!one.text.startsWith("=") || roots[0] === cell)))
    .slice(0, 2)
    .map((one) => ({ text: fitted(one.text || "value", 110, FONTS.badge), kind: one.kind }));
  for (const badge of badges) badge.w = badgeWidth(badge);
  const along = badges.reduce((sum, one) => sum + one.w + 4, 0);
  const changed = (scene.held.get(cell) ?? []).find((one) => scene.kindOf.get(one));
  const low = !said && !badges.length;
  const second = (said ? textWidth(said, FONTS.name) : 0) + (along ? along + (said ? 8 : 0) : 0);
  const text = Math.max(textWidth(title, FONTS.op), second);
  return {
    title, said, badges, kind, end,
    inner: changed === undefined ? "" : scene.kindOf.get(changed),
    w: Math.max(84, Math.ceil(text) + 24 + (kind ? MARK_WIDTH : 0)),
    h: low ? LEAF_LOW : LEAF_HIGH,
  };
}

/** Badges of a kind are bold, which is wider. */
const badgeWidth = ({ text, kind }) => textWidth(text, kind ? FONTS.count : FONTS.badge) + 10;

function scopeFace(scene, own) {
  const scope = scene.scopes[own];
  const call = scope.call >= 0;
  const label = (call ? ownName(scene.name(scope.call), "") : scope.label) || "(no name)";
  const title = fitted(label, 230, FONTS.scope);
  const op = call && plainName(label) !== plainName(scene.op(scope.call)) && scene.op(scope.call);
  let said = [op, plural(scope.below, "node")].filter(Boolean).map((text) => fitted(text, 200, FONTS.gist)).join(" · ");
  for (const text of gist(scene, own)) {
    const longer = `${said} · ${shown(text, 60)}`;
    if (textWidth(longer, FONTS.gist) <= 230) said = longer;
  }
  const kinds = KINDS.filter((kind) => scope.kinds[kind]).map((kind) => {
    const text = `${KIND_MARKS[kind]}${number(scope.kinds[kind])}`;
    return { kind, text, w: textWidth(text, FONTS.count) + 10 };
  });
  const marks = kinds.reduce((sum, one) => sum + one.w + 4, 0);
  const whole = KINDS.find((kind) => scope.kinds[kind] === scope.below) ?? (call ? scene.kindOf.get(scope.call) : "") ?? "";
  const text = Math.max(textWidth(title, FONTS.scope) + 24 + marks, textWidth(said, FONTS.gist) + 14);
  return { title, said, kinds, marks, kind: whole, call, w: Math.max(120, Math.ceil(text) + 30), h: CLOSED_HIGH };
}
