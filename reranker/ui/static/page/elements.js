// Functions that create elements. Text from outside is set as text, never as HTML.

// Create an element. Attributes whose names begin with "on" are event listeners; false and null attributes, and children
// that are null or false, are left out.
export function createElement(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null && child !== false));
  return node;
}

// Create the number of a step; its title follows as text.
export const createStepNumber = (number) => createElement("span", { class: "step-number", "aria-hidden": "true" }, String(number));

// Put children in the order of items, each made once by its key and updated in place: no scroll, focus or image is lost.
// make: (item) -> node. update: (node, item).
export function updateByKey(parent, items, keyOf, make, update) {
  const present = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let previous = null;
  for (const item of items) {
    const key = String(keyOf(item));
    let node = present.get(key);
    if (node) present.delete(key);
    else { node = make(item); node.dataset.key = key; }
    update(node, item);
    const next = previous ? previous.nextSibling : parent.firstChild;
    if (next !== node) parent.insertBefore(node, next);
    previous = node;
  }
  for (const node of present.values()) node.remove();
}

// Replace each {name} in a text by the value of that name.
export const fillIn = (text, values = {}) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
