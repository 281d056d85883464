// The list of names: a button takes its picture away.
function redraw() {
  const value = props.value;
  const names = element.querySelector(".names");
  if (!names) return;
  names.replaceChildren(...(value?.items?.length ? [
    made("p", {}, value.title),
    made("ul", {}, ...value.items.map((one, index) => made("li", {},
      made("span", { title: one.name }, one.name),
      made("button", {
        type: "button", "aria-label": one.remove, title: one.remove, onclick: () => trigger("click", { index }),
      }, "×")))),
  ] : []));
}

watch("value", redraw);
redraw();
