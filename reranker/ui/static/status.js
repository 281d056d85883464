// The status line and its progress bar.
// Gradio provides element, props, trigger and watch; elements.js the functions that create elements.

function redraw() {
  const value = props.value;
  const status = element.querySelector(".status");
  if (!status) return;
  status.className = `status ${value?.tone ?? ""}`;
  status.replaceChildren(...(value ? [
    createElement("p", {}, value.text),
    ...(value.bar ? [createElement("div", { class: "bar" }, createElement("div", { style: `width: ${value.percent}%` }))] : []),
  ] : []));
}

watch("value", redraw);
redraw();
