// What every page of migrator shares. Nothing here, or built on it, reads markup from data:
// elements come from h(), text from text nodes, and every text passes shown().

const MOST_SHOWN = 20000;
const PLAIN = /^[\x20-\x7e]*$/;
// Python's str.isprintable: all but "other" and "separator", and the plain space.
const HIDDEN = /(?! )[\p{C}\p{Z}]/gu;

/** A text with what does not print written as an escape, cut in the middle when very long. */
function shown(value, most = MOST_SHOWN) {
  let text = typeof value === "string" ? value : asText(value);
  const length = text.length;
  if (length > most) {
    const note = `...(${number(length)} characters)...`;
    const tail = Math.floor(most / 4);
    text = text.slice(0, most - tail - note.length) + note + text.slice(-tail);
  }
  return PLAIN.test(text) ? text : text.replace(HIDDEN, escaped);
}

function escaped(char) {
  const code = char.codePointAt(0);
  const hex = code.toString(16);
  if (code < 256) return "\\x" + hex.padStart(2, "0");
  return code < 65536 ? "\\u" + hex.padStart(4, "0") : "\\U" + hex.padStart(8, "0");
}

/** Any JSON value as text; what is missing is empty. */
function asText(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

const asArray = (value) => (Array.isArray(value) ? value : []);
const asObject = (value) =>
  value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
const asCount = (value) => (Number.isFinite(value) && value > 0 ? Math.floor(value) : 0);

const NUMBERS = new Intl.NumberFormat("en-US");
const number = (value) => NUMBERS.format(value);
const plural = (count, one, many = one + "s") => `${number(count)} ${count === 1 ? one : many}`;

/** Bytes for a reader, in decimal units. */
function size(count) {
  if (count < 1000) return `${number(count)} B`;
  let value = count / 1000;
  for (const unit of ["kB", "MB"]) {
    if (value < 1000) return `${value.toFixed(1)} ${unit}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} GB`;
}

/**
 * An element. `props`: `on` {event: function}, `data` {key: value}, any other is an attribute
 * (false and null: left out; true: without a value). Children: nodes, or texts, which are escaped.
 */
function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "on") {
      for (const [event, action] of Object.entries(value)) element.addEventListener(event, action);
    } else if (key === "data") {
      for (const [name, item] of Object.entries(value)) element.dataset[name] = item;
    } else {
      element.setAttribute(key, value === true ? "" : shown(value));
    }
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    element.append(child instanceof Node ? child : shown(child));
  }
}

function replace(element, ...children) {
  element.textContent = "";
  append(element, children);
}

/** Puts a text on the clipboard; true if that worked. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "offscreen", readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    } finally {
      area.remove();
    }
  }
}

/** A text with what stands in backticks set as code. */
const marked = (text) => text.split(/`([^`\n]+)`/).map((part, index) => (index % 2 ? h("code", {}, part) : part));

/** A button that copies exactly what stands beside it on the page. */
function copyButton(text, what) {
  const button = h("button", { type: "button", class: "quiet copy", "aria-label": `Copy ${what}` });
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const done = await copyText(shown(text));
    button.textContent = done ? "Copied" : "Cannot copy";
    announce(done ? "Copied" : "Copying is not possible here");
    setTimeout(() => (button.textContent = "Copy"), 1600);
  });
  return button;
}

const live = h("div", { class: "offscreen", role: "status", "aria-live": "polite" });
const announce = (text) => (live.textContent = shown(text));

/** Goes from the system's theme to light, to dark, and back. */
function themeButton() {
  const root = document.documentElement;
  const themes = ["auto", "light", "dark"];
  const words = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
  const button = h("button", { type: "button", class: "quiet theme" });
  const now = () => root.dataset.theme ?? "auto";
  const label = () => (button.textContent = words[now()]);
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(now()) + 1) % themes.length];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (next === "auto") localStorage.removeItem("migrator-theme");
      else localStorage.setItem("migrator-theme", next);
    } catch {
      // Not kept, but it holds for now.
    }
    label();
  });
  label();
  return button;
}

/** The part of the address after `#`, as parameters. */
const readHash = () => new URLSearchParams(location.hash.slice(1));

/** Sets it: as a step that "back" undoes, or in place. */
function writeHash(params, { step = false } = {}) {
  const text = "#" + params.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
  if (text === location.hash || (text === "#" && !location.hash)) return;
  if (step) {
    location.hash = text;
    return;
  }
  try {
    history.replaceState(null, "", text);
  } catch {
    // Too often, or not from here: the page is right all the same.
  }
}
