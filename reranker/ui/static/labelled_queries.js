// The labelled queries on the tab “Evaluate”. Gradio provides element, props, trigger and watch; elements.js and
// label_grid.js the functions that create elements.

function redraw() {
  const value = props.value;
  const list = element.querySelector(".labelled-queries");
  if (!list) return;
  const send = (action) => (index) => trigger("click", { action, query: value.queries[index].query });
  list.replaceChildren(...(value?.queries?.length ? [
    createElement("h3", {}, `${value.title} (${value.queries.length})`),
    createQueryList(value.queries, send("open"), send("remove")),
  ] : []));
}

watch("value", redraw);
redraw();
