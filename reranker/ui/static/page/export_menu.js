// The menu of downloads. Every file has exactly the pictures that are shown, in the order in which they are shown.

import { createElement, saveFile } from "./elements.js";
import { bytesText } from "./formats.js";
import { createExportPlan } from "./export_plan.js";
import { setText } from "./labels.js";
import { createPopover } from "./popover.js";

const DEFAULT_TEMPLATE = "{rank}_{score}_{name}";
const FORMATS = ["zip", "csv", "json", "html"];
const SCOPES = ["shown", "picked", "all"];

export function createExportMenu(store, shown, labels) {
  const { texts } = store;
  const plan = createExportPlan(store, shown);
  const template = createElement("input", { type: "text", class: "export-template", value: DEFAULT_TEMPLATE, spellcheck: "false", oninput: drawExample });
  const example = createElement("output", { class: "export-example" });
  const scopes = SCOPES.map(createScope);
  const scopeBox = labels.attribute(createElement("div", { class: "export-scopes", role: "radiogroup" }, ...scopes.map(({ node }) => node)), "aria-label", "export_which");
  const buttons = FORMATS.map(createFormatButton);
  const outcome = createElement("p", { class: "export-outcome", role: "status" });
  const popover = createPopover("export", [
    scopeBox, buttons[0],
    createElement("label", { class: "export-naming" }, labels.text(createElement("span"), "export_naming"), template),
    example, createElement("div", { class: "export-tables" }, ...buttons.slice(1)), outcome,
  ], () => setText(outcome, ""));
  labels.attribute(popover.panel, "aria-label", "export_title");
  const long = createElement("span", { class: "export-long" }), short = createElement("span", { class: "export-short" });  // on phones
  popover.button.append(long, short);
  let scope = "shown", isBusy = false;

  function createScope(value) {
    const input = createElement("input", { type: "radio", name: `export-scope-${store.tab}`, value, onchange: () => { scope = value; draw(); } });
    const text = createElement("span");
    return { value, input, text, node: createElement("label", {}, input, text) };
  }

  function createFormatButton(format) {
    const button = createElement("button", { type: "button", class: format === "zip" ? "button main" : "button", onclick: () => download(format) });
    return labels.text(button, `export_${format}`);
  }

  async function download(format) {
    isBusy = true;
    setText(outcome, texts.t("export_preparing"));
    outcome.classList.remove("is-error");
    draw();
    try {
      const rankings = await plan.rankings(scope);
      const file = await store.api.post(store.path("exports"), { format, rankings, template: template.value.trim() || DEFAULT_TEMPLATE });
      saveFile(popover.node, store.api.urlOf(file.url), file.name);
      setText(outcome, texts.t("export_done", { name: file.name, size: bytesText(file.bytes) }));
    } catch (error) {
      setText(outcome, error.message);
      outcome.classList.add("is-error");
    }
    isBusy = false;
    draw();
  }

  function drawExample() {
    const name = plan.exampleName(scope, template.value.trim() || DEFAULT_TEMPLATE);
    setText(example, name ? texts.t("export_example", { name }) : "");
  }

  function draw() {
    const counts = plan.counts();
    const isOffered = { shown: true, picked: counts.picked > 0, all: counts.all > 1 };
    if (!isOffered[scope]) scope = "shown";
    const kind = counts.shown < shown.entries.length ? "loaded" : "shown";
    setText(long, texts.t(`export_download_${kind}`, { count: counts.shown }));
    setText(short, texts.t("export_download_short", { count: counts.shown }));
    popover.button.disabled = counts.shown === 0 && counts.all < 2;
    for (const { value, input, text, node } of scopes) {
      node.hidden = !isOffered[value];
      input.checked = value === scope;
      setText(text, texts.t(`export_scope_${value === "shown" ? kind : value}`, { count: counts[value] }));
    }
    scopeBox.hidden = !isOffered.picked && !isOffered.all;
    buttons.forEach((button, index) => {
      button.disabled = isBusy || (scope !== "all" && counts[scope] === 0);
      button.hidden = scope === "all" && FORMATS[index] !== "zip";
    });
    if (popover.isOpen) drawExample();
  }

  popover.button.addEventListener("click", drawExample);
  return { node: popover.node, draw };
}
