// On paper: the reasons with their models, then the table of what the filters leave.

const PRINTED = 400; // models of the table
const PRINTED_NAMES = 12; // of a reason

function printedPart(data, rows) {
  const groups = data.groups.filter((group) => group.models.length);
  return [
    UNDONE.map((status) => {
      const mine = groups.filter((group) => group.status === status);
      return mine.length > 0 && [h("h2", {}, STATUS_WORDS[status]), mine.map((group) => h("div", { class: "rule" },
        h("h3", {}, group.title, status === "blocked" && group.key && [" ", h("span", { class: "code" }, group.key)], `: ${plural(group.models.length, "model")}`),
        h("p", { class: "fix" }, marked(group.advice)),
        h("ul", {}, group.models.slice(0, PRINTED_NAMES).map((model) => h("li", {}, modelName(model.name), model.reason && `: ${shown(model.reason, 300)}`)),
          group.models.length > PRINTED_NAMES && h("li", { class: "dim" }, `and ${number(group.models.length - PRINTED_NAMES)} more`))))];
    }),
    data.leftOut.line && h("p", {}, `${data.leftOut.line}.`),
    h("h2", {}, rows.length > PRINTED ? `The first ${number(PRINTED)} of ${plural(rows.length, "model")}` : plural(rows.length, "model")),
    h("table", { class: "plain-table" }, h("thead", {}, h("tr", {}, ["Model", "Result", "Format", "Before", "After", "Time"].map((word) => h("th", { scope: "col" }, word)))),
      h("tbody", {}, rows.slice(0, PRINTED).map((model) => h("tr", {}, h("td", {}, modelName(model.name)), h("td", {}, STATUS_WORDS[model.status]), h("td", {}, formatWord(model.format)),
        h("td", { class: "figure" }, model.before ? size(model.before) : ""), h("td", { class: "figure" }, model.after ? size(model.after) : ""), h("td", { class: "figure" }, duration(model.time)))))),
  ];
}
