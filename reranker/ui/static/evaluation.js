// The results of an evaluation: plain sentences, how often the best-ranked pictures matched, the mistakes, and all other
// figures folded. Gradio provides element, props, trigger and watch; the other scripts the functions.

const MAX_LISTED = 3;
let isFolded = true;

function createHeader(...titles) {
  return createElement("thead", {}, createElement("tr", {}, ...titles.map(({ title, about }) =>
    createElement("th", { scope: "col" }, title, about ? createElement("small", {}, about) : null))));
}

function createTable(value, heads, rows) {
  const cell = ({ text, note, best }) =>
    createElement("td", { class: best ? "best" : "" }, text, note ? createElement("small", {}, note) : null);
  return createElement("table", {}, createHeader({ title: value.labels.way }, ...heads),
    createElement("tbody", {}, ...rows.map((row) =>
      createElement("tr", {}, createElement("th", { scope: "row" }, row.name), ...row.cells.map(cell)))));
}

function createMeanings(heads) {
  return createElement("dl", {}, ...heads.map((head) =>
    createElement("div", {}, createElement("dt", {}, head.title), createElement("dd", {}, head.meaning))));
}

// Significant differences first; the others are folded away if there are many.
function createDifferences(value) {
  const list = (isSignificant) => createElement("ul", { class: "differences" }, ...value.verdicts
    .filter((verdict) => verdict.real === isSignificant)
    .map((verdict) => createElement("li", { class: isSignificant ? "real" : "" }, verdict.text)));
  const areFolded = value.verdicts.filter((verdict) => !verdict.real).length > MAX_LISTED;
  const noneSignificant = value.verdicts.every((verdict) => !verdict.real);
  return createElement("div", {}, list(true), areFolded && noneSignificant ? createElement("p", {}, value.labels.none_real) : null,
    areFolded ? createElement("details", {}, createElement("summary", {}, value.by_chance), list(false)) : list(false));
}

function createMistakes(value, session) {
  const cell = ({ text, title, picture, right }) => createElement("td", { class: right ? "right" : "" },
    createElement("span", { class: "rank", title }, picture ? createThumbnail(session, picture, { alt: title }) : null, text));
  return createElement("table", {},
    createHeader({ title: value.labels.query }, ...value.methods.map((title) => ({ title }))),
    createElement("tbody", {}, ...value.wrong.map((row) =>
      createElement("tr", {}, createElement("th", { scope: "row" }, row.query), ...row.cells.map(cell)))));
}

function createScrollable(table, label) {
  return createElement("div", { class: "scrollable", tabindex: 0, role: "region", "aria-label": label }, table);
}

function createMore(value, session) {
  const saveCsv = () => { download(session, "evaluation.csv"); trigger("click"); };
  const more = createElement("details", { class: "more", ontoggle: (event) => { if (event.target === more) isFolded = !more.open; } },
    createElement("summary", {}, value.labels.more),
    createElement("p", { class: "caption" }, value.caption),
    createScrollable(createTable(value, value.heads.map(({ title }) => ({ title })), value.rows), value.labels.more),
    ...value.notes.map((note) => createElement("p", { class: "note" }, note)),
    createMeanings(value.heads),
    value.verdicts.length ? createElement("h3", {}, value.labels.verdicts) : null,
    value.verdicts.length ? createDifferences(value) : null,
    createElement("button", { type: "button", class: "csv", onclick: saveCsv }, value.labels.csv));
  more.open = !isFolded;
  return more;
}

function createResults(value, session) {
  const main = createTable(value, value.main.heads.map(({ title, meaning }) => ({ title, about: meaning })), value.main.rows);
  return [
    createElement("h2", {}, value.labels.title),
    value.outdated ? createElement("p", { class: "outdated" }, value.outdated) : null,
    ...value.headlines.map((headline) => createElement("p", { class: "headline" }, headline)),
    createScrollable(main, value.labels.main_table),
    value.wrong.length ? createElement("h3", {}, value.labels.wrong) : null,
    value.wrong.length ? createElement("p", { class: "note" }, value.labels.wrong_about) : null,
    value.wrong.length ? createScrollable(createMistakes(value, session), value.labels.wrong) : null,
    createMore(value, session),
  ].filter(Boolean);
}

function redraw() {
  const value = props.value?.[language()];
  const evaluation = element.querySelector(".evaluation");
  if (!evaluation) return;
  keepingFocus(evaluation, "summary, button", () =>
    evaluation.replaceChildren(...(value ? createResults(value, props.value.session) : [])));
}

watch("value", redraw);
onLanguage(redraw);
redraw();
