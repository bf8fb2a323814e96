// One model, beside the list: what became of it, why, and what to do.

function modelPanel(data, model, actions) {
  const address = pageAddress(model, data.pages);
  const group = DONE.has(model.status) ? null : model.group;
  const spent = data.steps.map(([step, values]) => [step, asAmount(values[model.index])]).filter(([, value]) => value > 0);
  const longest = Math.max(...spent.map(([, value]) => value), 0);
  const facts = [
    ["Format", formatWord(model.format)],
    ["Readiness", READINESS_WORDS[model.readiness] ?? model.readiness],
    ["Before", model.before > 0 && size(model.before)],
    ["After", model.after > 0 && [size(model.after), model.before > 0 && h("span", { class: "dim" }, ` (${((100 * model.after) / model.before).toFixed(0)} %)`)]],
    ["TFLite", model.tflite && [tfliteWord(model.tflite), model.tfliteWhy && h("span", { class: "dim" }, `: ${model.tfliteWhy}`)]],
    ["Memory", model.memory > 0 && `${size(model.memory)} at most`],
    ["Run", model.earlier && "an earlier one"],
    ["Tries", model.attempts > 1 && number(model.attempts)],
    ["Findings", severityList(model.counts) || "none"],
  ].filter(([, value]) => value);
  return h("div", { class: "detail" },
    h("header", {}, h("h2", { tabindex: "-1" }, modelName(model.name)),
      h("div", { class: "path" }, h("code", {}, shown(data.base + model.source, 1000)), copyButton(data.base + model.source, "the source's path"))),
    address && h("p", { class: "whole" }, h("a", { href: address }, "Its page"), h("span", { class: "dim" }, ": inspection, findings, plan, proof, picture, log")),
    h("section", { class: "readiness", data: { status: model.status } },
      h("h3", {}, statusBadge(model.status)),
      group && model.status !== "needs_decision" && h("p", {}, group.title, group.status === "blocked" && group.key && [" ", h("span", { class: "code" }, group.key)]),
      model.reason && h("p", { class: "reason" }, model.reason),
      group && h("p", { class: "advice" }, marked(group.advice))),
    model.decision && h("section", {},
      h("h3", {}, "To decide"),
      candidateTable(model.decision.candidates),
      h("h4", {}, "Entry of the manifest, to correct"),
      copied(manifestOf([model], data.base), "the entry")),
    h("section", {}, h("dl", { class: "pairs" }, facts.map(([word, value]) => h("div", {}, h("dt", {}, word), h("dd", {}, value))))),
    spent.length > 0 && h("section", {}, h("h3", {}, `Time: ${duration(model.time)}`),
      h("dl", { class: "pairs times" }, spent.map(([step, value]) => {
        const bar = h("i", { class: "bar", "aria-hidden": "true" });
        bar.style.width = `${(100 * value) / longest}%`;
        return h("div", {}, h("dt", {}, shown(step, 40)), h("dd", {}, h("span", { class: "track" }, bar), duration(value)));
      }))));
}
