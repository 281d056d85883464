// The results of an evaluation: a row for each method, the significant differences, and the queries with mistakes.
// Gradio provides element, props, trigger and watch; elements.js the functions that create elements.

const MAX_LISTED = 3;

function createHeader(...titles) {
  return createElement("thead", {}, createElement("tr", {}, ...titles.map(({ title, meaning }) =>
    createElement("th", { scope: "col", title: meaning }, title))));
}

function createMetrics(value) {
  const cell = ({ text, note, best }) =>
    createElement("td", { class: best ? "best" : "" }, text, note ? createElement("small", {}, note) : null);
  return createElement("table", {},
    createHeader({ title: value.labels.way }, ...value.heads),
    createElement("tbody", {}, ...value.rows.map((row) =>
      createElement("tr", {}, createElement("th", { scope: "row" }, row.name), ...row.cells.map(cell)))));
}

function createMeanings(value) {
  return createElement("details", {}, createElement("summary", {}, value.labels.meanings),
    createElement("dl", {}, ...value.heads.map((head) =>
      createElement("div", {}, createElement("dt", {}, head.title), createElement("dd", {}, head.meaning)))));
}

// Significant differences first; the others are folded away if there are many.
function createDifferences(value) {
  const list = (isSignificant) => createElement("ul", { class: "differences" }, ...value.verdicts
    .filter((verdict) => verdict.real === isSignificant)
    .map((verdict) => createElement("li", { class: isSignificant ? "real" : "" }, verdict.text)));
  const isFolded = value.verdicts.filter((verdict) => !verdict.real).length > MAX_LISTED;
  const noneSignificant = value.verdicts.every((verdict) => !verdict.real);
  return createElement("div", {}, list(true), isFolded && noneSignificant ? createElement("p", {}, value.labels.none_real) : null,
    isFolded ? createElement("details", {}, createElement("summary", {}, value.by_chance), list(false)) : list(false));
}

function createMistakes(value) {
  const cell = ({ text, title, src, right }) => createElement("td", { class: right ? "right" : "" },
    createElement("span", { class: "rank", title }, src ? createPicture(src, { alt: title }) : null, text));
  return createElement("table", {},
    createHeader({ title: value.labels.query }, ...value.methods.map((title) => ({ title }))),
    createElement("tbody", {}, ...value.wrong.map((row) =>
      createElement("tr", {}, createElement("th", { scope: "row" }, row.query), ...row.cells.map(cell)))));
}

const scrollable = (table) => createElement("div", { class: "scrollable", tabindex: 0 }, table);

function redraw() {
  const value = props.value;
  const evaluation = element.querySelector(".evaluation");
  if (!evaluation) return;
  evaluation.replaceChildren(...(value?.rows ? [
    createElement("p", { class: "caption" }, value.caption),
    scrollable(createMetrics(value)),
    ...value.notes.map((note) => createElement("p", { class: "note" }, note)),
    createMeanings(value),
    value.verdicts.length ? createElement("h3", {}, value.labels.verdicts) : null,
    value.verdicts.length ? createDifferences(value) : null,
    createElement("h3", {}, value.labels.wrong),
    value.wrong.length ? createElement("p", { class: "note" }, value.labels.wrong_about)
      : createElement("p", {}, value.labels.all_right),
    value.wrong.length ? scrollable(createMistakes(value)) : null,
  ].filter(Boolean) : []));
}

watch("value", redraw);
redraw();
