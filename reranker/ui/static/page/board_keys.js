// The keys of the board: arrows move between cards, letters and digits mark, Space and modifiers select.

import { changeOfKey } from "./marks.js";

// The index that a key leads to, or null. count: of cards; columns: of the board.
export function indexAfterKey(key, index, count, columns) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (!(key in steps)) return null;
  const target = index + steps[key];
  if (target >= 0 && target < count) return target;
  const isInLastRow = Math.floor(index / columns) === Math.floor((count - 1) / columns);
  return key === "ArrowDown" && !isInLastRow ? count - 1 : index;  // down into a last row that is shorter
}

// Listen to a list of cards. board: {indexOf(node), count(), columns(), focus(index), mark(index, change),
// toggle(index), extend(index), selectAll(), clear()}.
export function listenToKeys(list, board) {
  list.addEventListener("keydown", (event) => {
    const index = board.indexOf(event.target);
    if (index >= 0 && handleKey(event, index, board)) event.preventDefault();
  });
  // A button is pressed when Space goes up, which would open the lightbox.
  list.addEventListener("keyup", (event) => { if (event.key === " " && board.indexOf(event.target) >= 0) event.preventDefault(); });
}

// Returns whether the key did something.
function handleKey(event, index, board) {
  const isModified = event.ctrlKey || event.metaKey;
  const target = event.altKey ? null : indexAfterKey(event.key, index, board.count(), board.columns());
  const change = changeOfKey(event);
  if (target !== null) {
    if (event.shiftKey) board.extend(target);
    board.focus(target);
  } else if (event.key === " ") board.toggle(index);
  else if (isModified && event.key.toLowerCase() === "a") board.selectAll();
  else if (event.key === "Escape") return board.clear();
  else if (change) board.mark(index, change);
  else return false;
  return true;
}
