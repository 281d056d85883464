// The board on the tab “Evaluate”. Given by the page: element, props, trigger, watch; made comes from elements.js,
// markingBoard from marking.js.

const board = markingBoard((one) => picture(one.key));
const add = made("button", { type: "button", class: "add", onclick: () => trigger("click", { action: "add", marked: board.marked() }) });
board.tools.append(add);
let seen = null;

function redraw() {
  const value = props.value;
  const place = element.querySelector(".board-place");
  if (!place || !value?.pictures) return;
  if (place.firstChild !== board.node) place.replaceChildren(board.node);
  board.put(value.pictures, value.labels);
  add.textContent = value.labels.add;
  if (value.given && value.serial !== seen) board.mark(value.given);
  seen = value.serial;
}

watch("value", redraw);
redraw();
