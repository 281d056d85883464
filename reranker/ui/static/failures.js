// The pictures without a score. The button ranks again; scores and features that are cached are not computed again.
// Gradio provides element, props, trigger and watch; elements.js the functions that create elements.

function createFailures(title, lines, kind, retry) {
  if (!lines?.length) return null;
  return createElement("div", { class: `failures ${kind}` },
    createElement("p", {}, title,
      createElement("button", { type: "button", class: "retry", onclick: () => trigger("click", {}) }, retry)),
    createElement("ul", {}, ...lines.map((line) => createElement("li", {}, line))));
}

function redraw() {
  const value = props.value ?? {};
  element.querySelector(".failure-lists")?.replaceChildren(...[
    createFailures(value.title, value.sentences, "", value.retry),
    createFailures(value.skipped_title, value.skipped, "skipped", value.retry),
  ].filter(Boolean));
}

watch("value", redraw);
redraw();
