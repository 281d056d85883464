// A grid of pictures that are marked as relevant by a click, Space or Enter, and with Shift a whole range; and the list
// of labelled queries. Both the tab “Evaluate” and the page of `label` use them.

// createImage: creates the image of a picture {key, name}.
function createLabelGrid(createImage) {
  const marked = new Set();
  const items = new Map();
  const list = createElement("ul", { class: "pictures", onkeydown: (event) => moveFocus(event, visibleButtons()) });
  const count = createElement("output", { class: "shown" });
  const onlyMarked = createElement("input", { type: "checkbox", onchange: update });
  const size = createElement("input", { type: "range", min: 80, max: 400, step: 10, value: 120, oninput: resize });
  const texts = {
    clear: createElement("button", { type: "button", onclick: () => mark([]) }),
    only: createElement("span"),
    size: createElement("span"),
  };
  const tools = createElement("div", { class: "tools" }, count, texts.clear,
    createElement("label", {}, onlyMarked, " ", texts.only), createElement("label", {}, texts.size, " ", size));
  const empty = createElement("p", { class: "empty" });
  let labels = {}, rangeStart = null;

  const visibleButtons = () => [...list.querySelectorAll("li:not([hidden]) button")];

  function resize() {
    list.style.setProperty("--tile", `${size.value}px`);
  }

  // Mark a picture or remove its mark. With Shift, all pictures of the range get the state of the range's first one.
  function toggle(event) {
    const buttons = visibleButtons(), button = event.currentTarget, { key } = button.dataset;
    const isRange = event.shiftKey && buttons.includes(rangeStart);
    const isMarked = isRange ? marked.has(rangeStart.dataset.key) : !marked.has(key);
    const ends = [buttons.indexOf(isRange ? rangeStart : button), buttons.indexOf(button)];
    for (const each of buttons.slice(Math.min(...ends), Math.max(...ends) + 1)) marked[isMarked ? "add" : "delete"](each.dataset.key);
    if (!isRange) rangeStart = button;
    update();
  }

  function createItem(picture) {
    return createElement("li", {}, createElement("button", {
      type: "button", "data-key": picture.key, "aria-pressed": "false", title: picture.name, tabindex: -1, onclick: toggle,
    }, createImage(picture), createElement("span", { class: "name" }, picture.name)));
  }

  function update() {
    for (const [key, item] of items) {
      item.firstChild.setAttribute("aria-pressed", String(marked.has(key)));
      item.hidden = onlyMarked.checked && !marked.has(key);
    }
    const buttons = visibleButtons();
    if (!buttons.some((button) => button.tabIndex === 0)) buttons.forEach((button, index) => { button.tabIndex = index ? -1 : 0; });
    count.textContent = fillIn(labels.count ?? "", { marked: marked.size, total: items.size });
    texts.clear.disabled = !marked.size;
    tools.hidden = list.hidden = !items.size;
    empty.hidden = !tools.hidden;
  }

  // Mark the pictures with these keys, and no others.
  function mark(keys) {
    marked.clear();
    for (const key of keys) if (items.has(key)) marked.add(key);
    if (!keys.length) onlyMarked.checked = false;
    update();
  }

  // Show these pictures in this order. Those that were shown and marked before stay marked.
  function show(pictures, newLabels) {
    labels = newLabels;
    const before = new Map(items);
    items.clear();
    for (const picture of pictures) items.set(picture.key, before.get(picture.key) ?? createItem(picture));
    for (const key of marked) if (!items.has(key)) marked.delete(key);
    if ([...items.values()].some((item, index) => list.children[index] !== item) || list.children.length !== items.size)
      list.replaceChildren(...items.values());
    list.setAttribute("aria-label", labels.board);
    empty.textContent = labels.empty;
    for (const [name, node] of Object.entries(texts)) node.textContent = labels[name];
    update();
  }

  resize();
  const node = createElement("div", { class: "label-grid" }, tools, list, empty);
  return { node, tools, show, mark, markedKeys: () => [...items.keys()].filter((key) => marked.has(key)) };
}

// Create the list of labelled queries {query, count, remove, note}. open, remove: are called with the index of a query.
function createQueryList(queries, open, remove, current = null) {
  return createElement("ol", {}, ...queries.map((labelled, index) => createElement("li", { class: labelled.note ? "unused" : "" },
    createElement("button", {
      type: "button", class: "open", title: labelled.query, "aria-current": current === index ? "true" : null, onclick: () => open(index),
    }, labelled.query),
    createElement("span", { class: "count", title: labelled.note }, labelled.note ? `${labelled.count} · ${labelled.note}` : labelled.count),
    createElement("button", {
      type: "button", class: "remove", "aria-label": labelled.remove, title: labelled.remove, onclick: () => remove(index),
    }, "×"))));
}
