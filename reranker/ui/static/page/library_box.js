// Which library is searched, what there is to know of it, its update, and the filters of the search.

import { createElement, updateByKey } from "./elements.js";
import { setText } from "./labels.js";
import { createLibraryUpdate } from "./library_update.js";

const FORMATS = ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "GIF", "BMP"];

// onChange: (values of the draft).
export function createLibraryBox(store, libraries, labels, onChange) {
  const { texts } = store;
  const select = createElement("select", { id: "library-name", onchange: () => onChange({ library: select.value, folder: "", label: "" }) });
  const title = labels.text(createElement("label", { for: "library-name" }), "library_title");
  const facts = createElement("p", { class: "library-facts muted" });
  const problem = createElement("p", { class: "library-problem", role: "alert", hidden: true });
  const update = createLibraryUpdate(store, libraries, labels);
  const fields = createFields(labels, onChange);
  const node = createElement("section", { class: "step library" },
    createElement("div", { class: "step-head" }, createElement("h2", {}, title), select), facts, problem, update.node,
    createElement("fieldset", { class: "library-filters" }, labels.text(createElement("legend"), "library_options"), ...fields.nodes));

  function drawOptions(parent, values, textOf) {
    updateByKey(parent, values, (value) => value, (value) => createElement("option", { value }), (option, value) => setText(option, textOf(value)));
  }

  function draw() {
    const { chosen } = libraries;
    drawOptions(select, libraries.list.map(({ name }) => name), (name) => name);
    if (chosen) select.value = chosen.name;
    setText(facts, chosen && !chosen.problem ? factsOf(chosen, texts) : "");
    facts.hidden = !facts.textContent;
    setText(problem, problemOf(libraries, texts));
    problem.hidden = !problem.textContent;
    const { folder, label, since, until, type, min_px: minPx, recall } = store.draft;
    drawOptions(fields.folder, ["", ...chosen?.folders ?? []], (name) => name || texts.t("library_all_folders"));
    drawOptions(fields.type, ["", ...FORMATS], (name) => name || texts.t("library_all_types"));
    fields.folder.value = chosen?.folders.includes(folder) ? folder : "";
    fields.type.value = type ?? "";
    const named = new Map(chosen?.labels.map((each) => [each.key, texts.t("library_label_option", { name: texts.text(each), pictures: each.pictures })]));
    drawOptions(fields.label, ["", ...named.keys()], (key) => named.get(key) ?? texts.t("library_all_labels"));
    fields.label.value = libraries.label ? label : "";
    fields.label.parentElement.hidden = !named.size;
    const values = [[fields.since, since], [fields.until, until], [fields.minPx, minPx], [fields.recall, recall]];
    for (const [input, value] of values) if (document.activeElement !== input) input.value = value ?? "";
    if (store.limits) fields.recall.max = store.limits.max_pictures;
    fields.recall.placeholder = recallOf(store);
  }

  return {
    node,
    // Whether the browser could not read a date that somebody has typed.
    get hasWrongDate() { return [fields.since, fields.until].some(({ validity }) => !validity.valid); },
    draw(topics) {
      update.draw(topics);
      if (["libraries", "draft", "language", "session"].some((topic) => topics.has(topic))) draw();
    },
  };
}

// How many pictures are ranked.
export const RECALL = 200;
export const recallOf = ({ draft, limits }) => Math.min(Number(draft.recall) || RECALL, limits?.max_pictures ?? RECALL);

// What keeps the chosen library from being searched, or an empty text.
export function problemOf({ chosen, isLoaded }, texts) {
  if (!isLoaded || !chosen) return "";
  if (chosen.problem) return texts.text(chosen.problem);
  return chosen.pictures ? "" : texts.t("library_empty", { name: chosen.name });
}

function factsOf({ pictures, folders, encoder }, texts) {
  return [
    texts.t("library_pictures", { count: pictures }), texts.t("library_folders", { count: folders.length }),
    texts.t("library_encoder", { name: encoder }),
  ].join(" · ");
}

function createFields(labels, onChange) {
  const numberOf = (input) => input.value === "" ? null : Math.max(Number(input.min), Math.floor(Number(input.value)));
  const folder = createElement("select", { onchange: () => onChange({ folder: folder.value }) });
  const type = createElement("select", { onchange: () => onChange({ type: type.value }) });
  const label = createElement("select", { onchange: () => onChange({ label: label.value }) });
  const since = createElement("input", { type: "date", oninput: () => onChange({ since: since.value }) });
  const until = createElement("input", { type: "date", oninput: () => onChange({ until: until.value }) });
  const minPx = createElement("input", { type: "number", min: 0, max: 100_000, inputmode: "numeric", oninput: () => onChange({ min_px: numberOf(minPx) }) });
  const recall = createElement("input", { type: "number", min: 1, inputmode: "numeric", oninput: () => onChange({ recall: numberOf(recall) }) });
  const labelled = [["library_label", label], ["library_folder", folder], ["library_since", since], ["library_until", until], ["library_type", type],
    ["library_min_px", minPx], ["library_recall", recall]];
  const nodes = labelled.map(([key, input]) => createElement("label", {}, labels.text(createElement("span"), key), input));
  return { label, folder, type, since, until, minPx, recall, nodes };
}
