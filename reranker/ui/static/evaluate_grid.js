// The grid of pictures on the tab “Evaluate”. Gradio provides element, props, trigger and watch; elements.js and
// label_grid.js the functions that create elements.

const grid = createLabelGrid((picture) => createPicture(picture.key));
const add = createElement("button", {
  type: "button", class: "add", onclick: () => trigger("click", { action: "add", relevant: grid.markedKeys() }),
});
grid.tools.append(add);
let lastSerial = null;

function redraw() {
  const value = props.value;
  const parent = element.querySelector(".label-grid-parent");
  if (!parent || !value?.pictures) return;
  if (parent.firstChild !== grid.node) parent.replaceChildren(grid.node);
  grid.show(value.pictures, value.labels);
  add.textContent = value.labels.add;
  if (value.relevant && value.serial !== lastSerial) grid.mark(value.relevant);
  lastSerial = value.serial;
}

watch("value", redraw);
redraw();
