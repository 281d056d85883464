// Tips for a good sentence, folded behind a link.

import { createElement } from "./elements.js";

const ADVICE = ["query_tip_who", "query_tip_not", "query_tip_style", "query_tip_lines"];
const GOOD = ["query_good_beach", "query_good_cats"];
const BAD = [["query_bad_beautiful", "query_bad_beautiful_why"], ["query_bad_campaign", "query_bad_campaign_why"]];

export function createTips(labels) {
  const item = (...keys) => createElement("li", {}, ...keys.map((key, index) => labels.text(createElement(index ? "span" : "q"), key)));
  const advice = ADVICE.map((key) => labels.text(createElement("li"), key));
  const panel = createElement("div", { class: "tips", id: "tips", hidden: true },
    createElement("ul", { class: "tips-advice" }, ...advice),
    createElement("div", { class: "tips-examples" },
      labels.text(createElement("h3"), "query_good"), createElement("ul", { class: "tips-good" }, ...GOOD.map((key) => item(key))),
      labels.text(createElement("h3"), "query_bad"), createElement("ul", { class: "tips-bad" }, ...BAD.map((keys) => item(...keys)))));
  const button = createElement("button", {
    type: "button", class: "plain tips-button", "aria-controls": "tips", "aria-expanded": "false", onclick: toggle,
  });
  labels.text(button, "query_tips");

  function toggle() {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
  }

  return { button, panel };
}
