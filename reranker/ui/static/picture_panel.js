// The chosen picture: its details, and on request the score of each part of the sentence, and where in the picture it
// comes from. Gradio provides element, props, trigger and watch; elements.js the functions that create elements.

// A map of how much the log-odds drop when a patch is hidden: the patch with the largest drop is darkest.
function createMap(where) {
  const largest = Math.max(...where.drops.flat(), 1e-9);
  const cells = where.drops.flat().map((drop) =>
    createElement("i", { style: `opacity: ${Math.max(0, drop / largest) * 0.75}` }));
  return createElement("div", { class: "map", style: `grid-template-columns: repeat(${where.drops[0].length}, 1fr)`,
    role: "img", "aria-label": where.label }, ...cells);
}

function createParts(parts) {
  return createElement("ul", { class: "parts" }, ...parts.map((part) => createElement("li", {},
    createElement("span", {}, part.text), createScoreBar(part.value), createElement("b", {}, part.score))));
}

function redraw() {
  const value = props.value;
  const panel = element.querySelector(".panel");
  if (!panel) return;
  panel.hidden = !value;
  if (!value) return panel.replaceChildren();
  const send = (action) => () => trigger("click", { action, tab: value.tab, src: value.src });
  const button = (action) => createElement("button", { type: "button", class: action, onclick: send(action) }, value.labels[action]);
  const details = createElement("dl", {}, ...value.rows.map(([name, text]) =>
    createElement("div", {}, createElement("dt", {}, name), createElement("dd", {}, text))));
  const why = value.why;
  panel.replaceChildren(
    createElement("figure", {}, createPicture(value.src, { alt: value.name }), why ? createMap(why.where) : null),
    createElement("div", {},
      createElement("h3", {}, value.title), details,
      createElement("p", { class: "actions" },
        why || value.busy ? null : button("why"), value.words || value.busy ? null : button("words")),
      value.trouble ? createElement("p", { class: "trouble" }, value.trouble) : null,
      why?.parts.length ? createElement("h4", {}, value.labels.parts) : null, why?.parts.length ? createParts(why.parts) : null,
      why ? createElement("p", { class: "note" }, why.where.label) : null,
      value.words ? createElement("blockquote", {}, value.words) : null));
}

watch("value", redraw);
redraw();
