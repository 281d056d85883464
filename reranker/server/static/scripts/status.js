// The line that says where things stand, and how far it is.
function redraw() {
  const value = props.value;
  const line = element.querySelector(".status");
  if (!line) return;
  line.className = `status ${value?.tone ?? ""}`;
  line.replaceChildren(...(value ? [
    made("p", {}, value.text),
    ...(value.bar ? [made("div", { class: "bar" }, made("div", { style: `width: ${value.percent}%` }))] : []),
  ] : []));
}

watch("value", redraw);
redraw();
