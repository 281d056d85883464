// A board of pictures of which some are marked as right: by a click, Space or Enter, and with Shift a whole range; and
// the list of the sets that came of it. For the tab of the page and for the page of `label`.
// made, walk and filled come from elements.js.

// image: makes the picture of one {key, name}; changed: is called after every mark.
function markingBoard(image, changed = () => {}) {
  const marks = new Set();
  const items = new Map();
  const list = made("ul", { class: "pictures", onkeydown: (event) => walk(event, buttons()) });
  const count = made("output", { class: "shown" });
  const only = made("input", { type: "checkbox", onchange: show });
  const size = made("input", { type: "range", min: 80, max: 400, step: 10, value: 120, oninput: resize });
  const words = { clear: made("button", { type: "button", onclick: () => mark([]) }), only: made("span"), size: made("span") };
  const tools = made("div", { class: "tools" }, count, words.clear,
    made("label", {}, only, " ", words.only), made("label", {}, words.size, " ", size));
  const empty = made("p", { class: "empty" });
  let labels = {}, anchor = null;

  const buttons = () => [...list.querySelectorAll("li:not([hidden]) button")];

  function resize() {
    list.style.setProperty("--tile", `${size.value}px`);
  }

  function press(event) {
    const all = buttons(), button = event.currentTarget, { key } = button.dataset;
    const ranged = event.shiftKey && all.includes(anchor);
    const wanted = ranged ? marks.has(anchor.dataset.key) : !marks.has(key);
    const ends = [all.indexOf(ranged ? anchor : button), all.indexOf(button)];
    for (const one of all.slice(Math.min(...ends), Math.max(...ends) + 1)) marks[wanted ? "add" : "delete"](one.dataset.key);
    if (!ranged) anchor = button;
    show();
    changed();
  }

  function item(one) {
    const button = made("button", { type: "button", "data-key": one.key, "aria-pressed": "false", title: one.name, tabindex: -1, onclick: press },
      image(one), made("span", { class: "name" }, one.name));
    return made("li", {}, button);
  }

  function show() {
    for (const [key, one] of items) {
      one.firstChild.setAttribute("aria-pressed", String(marks.has(key)));
      one.hidden = only.checked && !marks.has(key);
    }
    const all = buttons();
    if (!all.some((one) => one.tabIndex === 0)) all.forEach((one, index) => { one.tabIndex = index ? -1 : 0; });
    count.textContent = filled(labels.count ?? "", { marked: marks.size, total: items.size });
    words.clear.disabled = !marks.size;
    tools.hidden = list.hidden = !items.size;
    empty.hidden = !tools.hidden;
  }

  function mark(keys) {
    marks.clear();
    for (const key of keys) if (items.has(key)) marks.add(key);
    if (!keys.length) only.checked = false;
    show();
    changed();
  }

  // Shows these, in this order; what is marked stays so where it still is there.
  function put(pictures, given) {
    labels = given;
    const before = new Map(items);
    items.clear();
    for (const one of pictures) items.set(one.key, before.get(one.key) ?? item(one));
    for (const key of marks) if (!items.has(key)) marks.delete(key);
    if ([...items.values()].some((one, index) => list.children[index] !== one) || list.children.length !== items.size)
      list.replaceChildren(...items.values());
    list.setAttribute("aria-label", labels.board);
    empty.textContent = labels.empty;
    for (const [name, node] of Object.entries(words)) node.textContent = labels[name];
    show();
  }

  resize();
  return { node: made("div", { class: "marking" }, tools, list, empty), tools, put, mark, marked: () => [...items.keys()].filter((key) => marks.has(key)) };
}

// The sets as lines, each with a button that opens it and one that removes it: {query, count, remove, note}.
function setLines(sets, open, remove, current = null) {
  return made("ol", {}, ...sets.map((one, index) => made("li", { class: one.note ? "unused" : "" },
    made("button", { type: "button", class: "open", title: one.query, "aria-current": current === index ? "true" : null, onclick: () => open(index) }, one.query),
    made("span", { class: "count", title: one.note }, one.note ? `${one.count} · ${one.note}` : one.count),
    made("button", { type: "button", class: "remove", "aria-label": one.remove, title: one.remove, onclick: () => remove(index) }, "×"))));
}
