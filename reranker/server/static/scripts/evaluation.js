// What an evaluation found: a row a way, what differs by more than chance, and which queries went wrong.
// Given by the page: element, props, trigger, watch; made and picture come from elements.js.

const MANY = 3;

function figures(value) {
  const heads = value.heads.map((head) => made("th", { scope: "col", title: head.meaning }, head.title));
  const cell = (one) => made("td", { class: one.best ? "best" : "" }, one.text, one.note ? made("small", {}, one.note) : null);
  return made("table", {},
    made("thead", {}, made("tr", {}, made("th", { scope: "col" }, value.labels.way), ...heads)),
    made("tbody", {}, ...value.rows.map((row) =>
      made("tr", {}, made("th", { scope: "row" }, row.name), ...row.cells.map(cell)))));
}

function meanings(value) {
  return made("details", {}, made("summary", {}, value.labels.meanings),
    made("dl", {}, ...value.heads.map((head) => made("div", {}, made("dt", {}, head.title), made("dd", {}, head.meaning)))));
}

// What is real stands first; what could be chance is put away where there is much of it.
function verdicts(value) {
  const listed = (real) => made("ul", { class: "verdicts" }, ...value.verdicts.filter((one) => one.real === real)
    .map((one) => made("li", { class: real ? "real" : "" }, one.text)));
  const many = value.verdicts.filter((one) => !one.real).length > MANY;
  const none = value.verdicts.every((one) => !one.real);
  return made("div", {}, listed(true), many && none ? made("p", {}, value.labels.none_real) : null,
    many ? made("details", {}, made("summary", {}, value.by_chance), listed(false)) : listed(false));
}

function wrong(value) {
  const cell = (one) => made("td", { class: one.right ? "right" : "" },
    made("span", { class: "place", title: one.title }, one.src ? picture(one.src, { alt: one.title }) : null, one.text));
  return made("table", {},
    made("thead", {}, made("tr", {}, made("th", { scope: "col" }, value.labels.query),
      ...value.ways.map((way) => made("th", { scope: "col" }, way)))),
    made("tbody", {}, ...value.wrong.map((row) => made("tr", {}, made("th", { scope: "row" }, row.query), ...row.cells.map(cell)))));
}

const wide = (table) => made("div", { class: "wide", tabindex: 0 }, table);

function redraw() {
  const value = props.value;
  const place = element.querySelector(".evaluation");
  if (!place) return;
  place.replaceChildren(...(value?.rows ? [
    made("p", { class: "caption" }, value.caption),
    wide(figures(value)),
    ...value.notes.map((note) => made("p", { class: "note" }, note)),
    meanings(value),
    value.verdicts.length ? made("h3", {}, value.labels.verdicts) : null,
    value.verdicts.length ? verdicts(value) : null,
    made("h3", {}, value.labels.wrong),
    value.wrong.length ? made("p", { class: "note" }, value.labels.wrong_about) : made("p", {}, value.labels.all_right),
    value.wrong.length ? wide(wrong(value)) : null,
  ].filter(Boolean) : []));
}

watch("value", redraw);
redraw();
