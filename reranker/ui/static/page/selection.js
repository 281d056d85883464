// The pictures of a grid that are selected: by Ctrl and a click, by Shift and a click, or by Space.

export function createSelection(onChange) {
  const keys = new Set();
  let anchor = null;

  const changed = () => onChange(keys);

  return {
    keys,
    has: (key) => keys.has(key),
    clear() { if (keys.size) { keys.clear(); changed(); } },
    keep(present) { for (const key of keys) if (!present.has(key)) keys.delete(key); },
    toggle(key) { keys.has(key) ? keys.delete(key) : keys.add(key); anchor = key; changed(); },
    only(key) { keys.clear(); keys.add(key); anchor = key; changed(); },
    // Select everything between the last one and this one. order: all keys as they are shown.
    extend(key, order) {
      const [from, to] = [order.indexOf(anchor ?? key), order.indexOf(key)].sort((a, b) => a - b);
      for (const each of order.slice(Math.max(0, from), to + 1)) keys.add(each);
      changed();
    },
    all(order) { order.forEach((key) => keys.add(key)); changed(); },
  };
}
