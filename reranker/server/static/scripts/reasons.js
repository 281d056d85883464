// What was not judged: the button ranks again, where all that is known is not judged anew.
function listed(title, lines, kind, retry) {
  if (!lines?.length) return null;
  return made("div", { class: `reasons ${kind}` },
    made("p", {}, title, made("button", { type: "button", class: "retry", onclick: () => trigger("click", {}) }, retry)),
    made("ul", {}, ...lines.map((line) => made("li", {}, line))));
}

function redraw() {
  const value = props.value ?? {};
  element.querySelector(".failures")?.replaceChildren(...[
    listed(value.title, value.sentences, "", value.retry), listed(value.skipped_title, value.skipped, "skipped", value.retry),
  ].filter(Boolean));
}

watch("value", redraw);
redraw();
