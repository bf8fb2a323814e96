// What is to be decided: the questions, the candidates, the entries to paste.

const FEW = 20; // entries drawn at first and with each further step
const SHOWN_ENTRIES = 12; // of a manifest, where more models share one question

/** Questions by kind, those of most models first. */
function decisionsView(data, actions) {
  const groups = data.groups.filter((group) => group.status === "needs_decision" && group.models.length);
  if (!groups.length) return h("p", { class: "empty" }, "Nothing waits for a decision.");
  return h("div", { class: "prosaic" },
    h("p", { class: "how" }, "Copy the entries into decided.yaml, where the batch was started. Take the ", h("code", {}, "#"), " off what is right, strike what is wrong, and go on:"),
    copied(asText(data.commands.needs_decision), "the command to go on"),
    groups.map((group) => {
      const asked = data.decisions.filter((item) => item.models[0].group === group);
      const list = h("div", { class: "questions" });
      return h("section", { class: "reasons-group", data: { status: "needs_decision" } },
        groupHead(group, actions, bulkButton(`Copy ${group.models.length === 1 ? "the entry" : `all ${number(group.models.length)} entries`}`, () => manifestOf(group.models, data.base))),
        growing(list, asked, (item, index) => question(item, data, actions, asked.length <= 3), FEW, "question"));
    }));
}

function groupHead(group, actions, ...buttons) {
  const code = group.status === "blocked" && group.key;
  return h("header", { class: "group-head" },
    h("h2", {}, h("i", { class: "glyph", "aria-hidden": "true" }), group.title, " ", code && h("span", { class: "code" }, group.key)),
    h("span", { class: "many" }, plural(group.models.length, "model")),
    h("span", { class: "doing" }, buttons, h("button", { type: "button", class: "quiet", on: { click: () => actions.group(group.index) } }, "Show in the table")),
    h("p", { class: "advice" }, marked(group.advice)));
}

/** One question: who asks it, what the answers may be, what to write. */
function question(item, data, actions, isOpen) {
  const [first] = item.models;
  const more = item.models.length - 1;
  const body = h("div", { class: "body" });
  const details = h("details", { class: "group" },
    h("summary", {}, h("span", { class: "title" }, modelName(first.name), more > 0 && h("span", { class: "dim" }, ` and ${plural(more, "more model")} with the same question`)), h("span", { class: "number" }, number(item.models.length))),
    body);
  const fill = () => {
    if (body.childElementCount) return;
    const some = item.models.slice(0, SHOWN_ENTRIES);
    const text = manifestOf(some, data.base);
    append(body, [
      first.reason && h("p", { class: "reason" }, first.reason),
      candidateTable(item.candidates),
      h("h4", {}, more > 0 ? `Entries of the manifest${some.length < item.models.length ? `, the first ${SHOWN_ENTRIES}` : ""}` : "Entry of the manifest"),
      copied(text, "the entries"),
      some.length < item.models.length && h("p", {}, bulkButton(`Copy all ${number(item.models.length)} entries`, () => manifestOf(item.models, data.base))),
      h("h4", {}, more > 0 ? "Models" : "Model"),
      modelLinks(item.models),
    ]);
  };
  details.addEventListener("toggle", () => details.open && fill());
  if (isOpen) {
    details.open = true;
    fill();
  }
  return details;
}

/** Models by name, each a link to its panel; `withReason` tells each one's own. */
function modelLinks(models, withReason = false) {
  const list = h("ul", { class: "affected" });
  return growing(list, models, (model) => h("li", {}, h("a", { href: modelAddress(model) }, modelName(model.name)), model.before > 0 && h("span", { class: "dim" }, size(model.before)),
    withReason && h("span", { class: "dim own" }, model.reason)), 8, "model");
}
