// The scene as the page works with it: who is where, who reads whom, what changed where.
// An item is a cell (0 and up) or a scope (-1 - scope), as in the data.

const isScope = (item) => item < 0;
const scopeOf = (item) => -1 - item;
const scopeItem = (scope) => -1 - scope;
const KINDS = ["added", "removed", "changed", "rewired", "renamed"];
const KIND_WORDS = { added: "Added", removed: "Removed", changed: "Changed", rewired: "Rewired", renamed: "Renamed" };
const KIND_MARKS = { added: "+", removed: "−", changed: "≠", rewired: "↷", renamed: "a" };
const READS = new Set(["Identity", "ReadVariableOp", "Enter", "RefEnter"]);

function prepareScene(raw) {
  const scopes = raw.scopes.map((row) => row && { label: row[0], parent: row[1], kind: row[2], call: row[3], layout: raw.layouts[row[4]], items: row[5], below: 0, kinds: null });
  const count = raw.names.length;
  const place = new Int32Array(count).fill(-1);
  const host = Int32Array.from({ length: count }, (_, cell) => raw.hosts[cell] ?? cell);
  const kindOf = new Map(Object.entries(raw.kinds ?? {}).map(([cell, kind]) => [Number(cell), kind]));
  scopes.forEach((scope, number) => {
    if (!scope) return;
    for (const item of scope.items) if (!isScope(item)) place[item] = number;
    if (scope.call >= 0) place[scope.call] = number;
  });
  const scene = {
    raw, scopes, place, host, kindOf, count, two: raw.befores !== undefined,
    values: new Set(raw.values),
    name: (cell) => raw.names[cell],
    op: (cell) => raw.ops[raw.op[cell]],
    sort: (cell) => raw.sorts[raw.op[cell]],
    producer: (input) => (Array.isArray(input) ? input[0] : input < 0 ? -1 - input : input),
    /** The item that shows a cell. */
    item(cell) {
      const shown = host[cell];
      const scope = scopes[place[shown]];
      return scope && scope.call === shown ? scopeItem(place[shown]) : shown;
    },
    above: (item) => (isScope(item) ? scopes[scopeOf(item)].parent : place[item]),
    label: (item) => (isScope(item) ? scopes[scopeOf(item)].label : ownName(raw.names[item], raw.ops[raw.op[item]])),
  };
  countBelow(scene);
  scene.held = holders(scene);
  return scene;
}

/** The last part of a node's name, without the mark of a result. */
function ownName(name, op) {
  const tail = name.slice(name.lastIndexOf("/") + 1) || name;
  return op === "_Retval" ? tail.replace(/:result$/, "") : tail;
}

/** Nodes and changes under each scope, summed from the leaves up. */
function countBelow(scene) {
  const { scopes, host, place, kindOf } = scene;
  for (const scope of scopes) if (scope) Object.assign(scope, { kinds: {}, drawn: 0 });
  for (let cell = 0; cell < scene.count; cell++) {
    const at = place[host[cell]];
    if (at < 0) continue;
    const kind = kindOf.get(cell);
    const drawn = host[cell] === cell && isChanged(scene, cell) ? 1 : 0;
    for (let scope = at; scope >= 0; scope = scopes[scope].parent) {
      scopes[scope].below++;
      scopes[scope].drawn += drawn;
      if (kind) scopes[scope].kinds[kind] = (scopes[scope].kinds[kind] ?? 0) + 1;
    }
  }
}

/** Drawn cell -> cells that are folded into it. */
function holders(scene) {
  const found = new Map();
  for (const [cell, host] of Object.entries(scene.raw.hosts)) {
    if (!found.has(host)) found.set(host, []);
    found.get(host).push(Number(cell));
  }
  return found;
}

/** The constant or variable that an input comes from, -1 where it is computed. */
function rootValue(scene, cell) {
  for (let step = 0; step < 8; step++) {
    if (!scene.values.has(cell)) return -1;
    const inputs = scene.raw.inputs[cell];
    if (inputs.length === 0 || !READS.has(scene.op(cell))) return cell;
    cell = scene.producer(inputs[0]);
  }
  return -1;
}

/** Folded constants and variables that a cell computes with, in the order of its inputs. */
function weightsOf(scene, cell) {
  const found = [];
  for (const input of scene.raw.inputs[cell]) {
    if (!Array.isArray(input) && input < 0) continue;
    const root = rootValue(scene, scene.producer(input));
    if (root >= 0 && scene.host[root] !== root && !found.includes(root)) found.push(root);
  }
  return found;
}

/** Who reads a cell: [reader, slot] pairs, slot -1 for control. Found once for all. */
function consumersOf(scene, cell) {
  if (!scene.readers) {
    scene.readers = new Map();
    scene.raw.inputs.forEach((inputs, reader) => {
      inputs.forEach((input, slot) => {
        const producer = scene.producer(input);
        if (!scene.readers.has(producer)) scene.readers.set(producer, []);
        scene.readers.get(producer).push([reader, !Array.isArray(input) && input < 0 ? -1 : slot]);
      });
    });
  }
  return scene.readers.get(cell) ?? [];
}

/** Ops under a scope by number, the most frequent first. */
function opsBelow(scene, scope) {
  const counts = new Map();
  const stack = [scope];
  let seen = 0;
  while (stack.length && seen < 4000) {
    for (const item of scene.scopes[stack.pop()].items) {
      seen++;
      if (isScope(item)) stack.push(scopeOf(item));
      else counts.set(scene.op(item), (counts.get(scene.op(item)) ?? 0) + 1);
    }
  }
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

const NOTABLE = { layer: 0, norm: 1, pool: 2, active: 3, flow: 4, call: 5, data: 6, state: 7, other: 8, shape: 9, ends: 10 };

/** The ops that tell most of what a scope does. */
function gist(scene, scope) {
  const sortOf = new Map(scene.raw.ops.map((op, index) => [op, scene.raw.sorts[index]]));
  const told = opsBelow(scene, scope)
    .sort((a, b) => NOTABLE[sortOf.get(a[0])] - NOTABLE[sortOf.get(b[0])])
    .slice(0, 4).map(([op]) => op.replace(/^Depthwise(.*)Native$/, "Depthwise$1"));
  return told;
}

/** Scopes from the root down to the one that an item is in. */
function scopesAbove(scene, item) {
  const found = [];
  for (let scope = scene.above(item); scope >= 0; scope = scene.scopes[scope].parent) found.push(scope);
  return found.reverse();
}

/** Whether a cell is more than renamed. */
const isChanged = (scene, cell) => (scene.kindOf.get(cell) ?? "renamed") !== "renamed";

const changedBelow = (scope) => Object.entries(scope.kinds).reduce((sum, [kind, count]) => sum + (kind === "renamed" ? 0 : count), 0);

const FEW_CHANGES = 24; // up to which all nodes that changed are opened at first
const SMALL = 12; // items that a scope which came or went as a whole may open

/** What is open at first: what changed, else the outer scopes; as far as it stays a picture. */
function firstOpen(scene) {
  const open = new Set([0]);
  const changes = changedBelow(scene.scopes[0]);
  if (!changes) return servedOf(scene) ? openServed(scene, open) : openOuter(scene, open);
  // Where much changed an overview says more than the details of some corner.
  const many = changes * 4 > scene.scopes[0].below;
  const few = scene.scopes[0].drawn <= FEW_CHANGES;
  openChanged(scene, open, (scope) => scope.drawn, few, many ? 45 : few ? 260 : 110);
  openChanged(scene, open, changedBelow, few, 45); // other values alone
  return open;
}

const room = (scope) => scope.items.length - 1;
const scopesIn = (scene, scope) => scene.scopes[scope].items.filter(isScope).map(scopeOf);
const shownIn = (scene, open) => [...open].reduce((sum, scope) => sum + room(scene.scopes[scope]), 1);

/** Opens what holds changes by `count`, the least of them first, up to `most` items on the picture. */
function openChanged(scene, open, count, few, most) {
  let shown = shownIn(scene, open);
  const queue = scopesIn(scene, 0).sort((a, b) => count(scene.scopes[a]) - count(scene.scopes[b]));
  while (queue.length) {
    const scope = queue.shift();
    const own = scene.scopes[scope];
    if (!open.has(scope)) {
      const whole = KINDS.some((kind) => own.kinds[kind] === own.below); // all of it came or went
      const wide = Math.max(...own.layout[3].flat().map((row) => row.length));
      if (!count(own) || (whole && !(few && own.items.length <= SMALL))) continue;
      if ((wide > 12 && !few) || shown + room(own) > most) continue;
      open.add(scope);
      shown += room(own);
    }
    queue.push(...scopesIn(scene, scope));
  }
}

/** The scope with the body of the signature that is served by default, 0 for none. */
const servedOf = (scene) => (scene.scopes[scene.raw.served] ? scene.raw.served : 0);

function openServed(scene, open) {
  const served = servedOf(scene);
  for (let scope = served; scope > 0; scope = scene.scopes[scope].parent) open.add(scope);
  return openOuter(scene, open, served);
}

/** Opens the largest scopes in `top`, while few items are shown there. */
function openOuter(scene, open, top = 0) {
  let shown = scene.scopes[top].items.length;
  let queue = scopesIn(scene, top);
  while (shown < 14 && queue.length) {
    queue.sort((a, b) => scene.scopes[b].below - scene.scopes[a].below);
    const scope = queue.find((one) => scene.scopes[one].kind !== "library" && shown + room(scene.scopes[one]) <= 42);
    if (scope === undefined) break;
    queue = queue.filter((one) => one !== scope);
    open.add(scope);
    shown += room(scene.scopes[scope]);
    queue.push(...scopesIn(scene, scope));
  }
  return open;
}
