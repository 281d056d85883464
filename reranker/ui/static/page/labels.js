// Texts of elements that stay, set again when the language changes.

export function createLabels(texts) {
  const setters = [];
  const keep = (setter, node) => { setters.push(setter); setter(); return node; };
  return {
    text: (node, key) => keep(() => { node.textContent = texts.t(key); }, node),
    attribute: (node, name, key) => keep(() => node.setAttribute(name, texts.t(key)), node),
    refresh: () => setters.forEach((setter) => setter()),
  };
}

// Set a text only if it is another one, so that nothing is announced or laid out again without need.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
