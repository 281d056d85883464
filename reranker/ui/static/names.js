// The names of the pictures, each with a button that removes its picture.
// Gradio provides element, props, trigger and watch; elements.js the functions that create elements.

function redraw() {
  const value = props.value;
  const names = element.querySelector(".names");
  if (!names) return;
  names.replaceChildren(...(value?.items?.length ? [
    createElement("p", {}, value.title),
    createElement("ul", {}, ...value.items.map((item, index) => createElement("li", {},
      createElement("span", { title: item.name }, item.name),
      createElement("button", {
        type: "button", "aria-label": item.remove, title: item.remove, onclick: () => trigger("click", { index }),
      }, "×")))),
  ] : []));
}

watch("value", redraw);
redraw();
