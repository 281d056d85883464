// One picture: what is known of it, and on request which part of the sentence it has, and where.
// Given by the page: element, props, trigger, watch; made, picture and bar come from elements.js.

// How much the log-odds fall where a patch is blanked; the one where they fall most is darkest.
function map(where) {
  const most = Math.max(...where.falls.flat(), 1e-9);
  const cells = where.falls.flat().map((fall) => made("i", { style: `opacity: ${Math.max(0, fall / most) * 0.75}` }));
  return made("div", { class: "map", style: `grid-template-columns: repeat(${where.falls[0].length}, 1fr)`,
    role: "img", "aria-label": where.label }, ...cells);
}

function parts(all) {
  return made("ul", { class: "parts" }, ...all.map((part) => made("li", {},
    made("span", {}, part.text), bar(part.value), made("b", {}, part.score))));
}

function redraw() {
  const value = props.value;
  const panel = element.querySelector(".panel");
  if (!panel) return;
  panel.hidden = !value;
  if (!value) return panel.replaceChildren();
  const asks = (action) => () => trigger("click", { action, tab: value.tab, src: value.src });
  const facts = made("dl", {}, ...value.rows.map(([name, said]) => made("div", {}, made("dt", {}, name), made("dd", {}, said))));
  const why = value.why;
  panel.replaceChildren(
    made("figure", {}, picture(value.src, { alt: value.name }), why ? map(why.where) : null),
    made("div", {},
      made("h3", {}, value.title), facts,
      made("p", { class: "asks" },
        why || value.busy ? null : made("button", { type: "button", class: "why", onclick: asks("why") }, value.labels.why),
        value.words || value.busy ? null
          : made("button", { type: "button", class: "words", onclick: asks("words") }, value.labels.words)),
      value.trouble ? made("p", { class: "trouble" }, value.trouble) : null,
      why?.parts.length ? made("h4", {}, value.labels.parts) : null, why?.parts.length ? parts(why.parts) : null,
      why ? made("p", { class: "note" }, why.where.label) : null,
      value.words ? made("blockquote", {}, value.words) : null));
}

watch("value", redraw);
redraw();
