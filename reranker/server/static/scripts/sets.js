// The labelled sets on the tab “Evaluate”. Given by the page: element, props, trigger, watch; made comes from
// elements.js, setLines from marking.js.

function redraw() {
  const value = props.value;
  const place = element.querySelector(".sets");
  if (!place) return;
  const press = (action) => (index) => trigger("click", { action, query: value.sets[index].query });
  place.replaceChildren(...(value?.sets?.length ? [
    made("h3", {}, `${value.title} (${value.sets.length})`), setLines(value.sets, press("open"), press("remove")),
  ] : []));
}

watch("value", redraw);
redraw();
