// Chips of all rankings of the session, the latest first: shown by a click, compared, or removed.

import { createElement, updateByKey } from "./elements.js";

export function createEarlier(store, open) {
  const { t } = store.texts;
  const list = createElement("ul");
  const node = createElement("nav", { class: "earlier", hidden: true }, list);

  // Several sentences that were ranked together have one chip.
  function chips() {
    const byRun = new Map();
    for (const ranking of store.rankings.values()) byRun.set(ranking.run, [...(byRun.get(ranking.run) ?? []), ranking]);
    return [...byRun.values()].map(([first, ...others]) => ({ run: first.run, first, ids: [first, ...others].map((each) => each.id), others: others.length })).reverse();
  }

  function make(chip) {
    const button = (action, run) => createElement("button", { type: "button", class: action, onclick: run });
    const current = () => chips().find((each) => each.run === chip.run);
    return createElement("li", { class: "ranking-chip" },
      button("show", () => open(current().first.id)),
      button("compare", () => store.setView({ compared: current().first.id })),
      button("delete", () => remove(current().ids)));
  }

  async function remove(ids) {
    for (const id of ids) await store.notices.attempt(() => store.api.delete(store.path(`rankings/${id}`)));
  }

  function update(item, chip) {
    const [show, compare, remove] = item.children;
    const isShown = chip.ids.includes(store.view.ranking);
    const { query, exclude } = chip.first;
    const text = chip.others ? t("earlier_several", { query, count: chip.others }) : exclude ? `${query} − ${exclude}` : query;
    show.textContent = text;
    show.title = text;
    isShown ? show.setAttribute("aria-current", "true") : show.removeAttribute("aria-current");
    compare.textContent = "⇄";
    compare.hidden = isShown || !store.view.ranking;
    for (const [button, key] of [[compare, "earlier_compare"], [remove, "earlier_remove"]]) {
      button.title = t(key);
      button.setAttribute("aria-label", `${t(key)}: ${text}`);
    }
    remove.textContent = "✕";
    remove.hidden = chip.first.state === "running";
  }

  return {
    node,
    show() {
      const all = chips();
      node.hidden = !all.length;
      node.setAttribute("aria-label", t("earlier_title"));
      updateByKey(list, all, (chip) => chip.run, make, update);
    },
  };
}
