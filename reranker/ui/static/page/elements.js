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

// Let the browser save the file of an address. parent: where the link is for a moment.
export function saveFile(parent, href, name) {
  const link = createElement("a", { href, download: name, hidden: true });
  parent.append(link);
  link.click();
  link.remove();
}

// Put children in the order of items, each made once by its key and updated in place: no scroll, focus or image is lost.
// make: (item) -> node. update: (node, item).
export function updateByKey(parent, items, keyOf, make, update) {
  const present = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const nodes = items.map((item) => {
    const key = String(keyOf(item));
    const node = present.get(key) ?? make(item);
    present.delete(key);
    node.dataset.key = key;
    update(node, item);
    return node;
  });
  for (const node of present.values()) discard(node);  // first, so that the others need not be moved
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  nodes.forEach((node, index) => { if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null); });
  if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });  // it was moved
}

// Remove a node for good. Its images are not loaded any more, so that those of others come sooner.
function discard(node) {
  node.remove();
  const images = node.matches("img") ? [node] : node.querySelectorAll("img");
  for (const image of images) if (!image.complete) image.removeAttribute("src");
}

// Replace each {name} in a text by the value of that name.
export const fillIn = (text, values = {}) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
