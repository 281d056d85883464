// All pictures with their names: search, select, remove. Only the cells near the viewport exist.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";
import { createPictureGrid } from "./picture_grid.js";

// onRemove: ([id]).
export function createManager(store, labels, onRemove) {
  const { t } = store.texts;
  const chosen = createChoice();
  const search = createElement("input", { type: "search", class: "manage-search", oninput: () => draw() });
  labels.attribute(search, "placeholder", "pictures_search");
  labels.attribute(search, "aria-label", "pictures_search");
  const count = createElement("span", { class: "manage-count", role: "status" });
  const button = (onclick, className = "button") => createElement("button", { type: "button", class: className, onclick });
  const removeChosen = button(() => remove(chosen.ids()));
  const removeAll = labels.text(button(() => remove([...store.pictures.keys()])), "pictures_remove_all");
  const none = labels.text(button(() => { chosen.clear(); draw(); grid.focusStop(); }, "plain"), "pictures_select_none");
  const tools = createElement("div", { class: "manage-tools" }, search, count, none, removeChosen, removeAll);
  const hint = labels.text(createElement("p", { class: "muted manage-hint" }), "pictures_manage_hint");
  const grid = createPictureGrid(store, labels, chosen, {
    onChange: () => draw(),
    onRemove: (id) => remove(chosen.has(id) ? chosen.ids() : [id]),
  });
  const node = createElement("div", { class: "manager", id: store.idOf("manager"), hidden: true }, tools, hint, grid.node);

  // The pictures that the search finds.
  function found() {
    const wanted = search.value.trim().toLowerCase();
    const all = [...store.pictures.values()];
    return wanted ? all.filter(({ name }) => name.toLowerCase().includes(wanted)) : all;
  }

  function remove(ids) {
    if (!ids.length) return;
    chosen.clear();
    grid.keepFocus();
    onRemove(ids);
  }

  function draw() {
    if (node.hidden) return;
    const pictures = found();
    chosen.keepOnly(store.pictures);
    grid.draw(pictures);
    const isFiltered = pictures.length < store.pictures.size;
    setText(count, countText(pictures.length, isFiltered));
    none.hidden = removeChosen.hidden = !chosen.size;
    setText(removeChosen, t("pictures_remove_chosen", { count: chosen.size }));
    hint.hidden = !pictures.length;
  }

  function countText(shown, isFiltered) {
    if (chosen.size) return t("pictures_chosen", { count: chosen.size });
    return isFiltered ? t("pictures_found", { count: shown, total: store.pictures.size }) : "";
  }

  return { node, draw, focus: () => search.focus({ preventScroll: true }) };
}

// The ids that are selected; a range begins at the anchor.
function createChoice() {
  const chosen = new Set();
  let anchor = null;
  return {
    has: (id) => chosen.has(id),
    ids: () => [...chosen],
    get size() { return chosen.size; },
    toggle(id) { if (!chosen.delete(id)) chosen.add(id); anchor = id; },
    only(id) {
      const isAlone = chosen.has(id) && chosen.size === 1;
      chosen.clear();
      if (!isAlone) chosen.add(id);
      anchor = id;
    },
    // Add everything between the anchor and an id. order: ids as they are shown.
    extend(id, order) {
      const ends = [Math.max(0, order.indexOf(anchor ?? id)), order.indexOf(id)].sort((one, other) => one - other);
      order.slice(ends[0], ends[1] + 1).forEach((each) => chosen.add(each));
      anchor ??= id;
    },
    all(order) { order.forEach((id) => chosen.add(id)); },
    clear() { chosen.clear(); },
    keepOnly(pictures) { for (const id of chosen) if (!pictures.has(id)) chosen.delete(id); },
  };
}
