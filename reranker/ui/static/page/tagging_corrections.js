// What people correct: sent to the server, which tells it to all browsers; the last change can be undone.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";
import { correctionOf, nameOf } from "./tagging_labels.js";

const SHOWN_MS = 8000;  // how long the button that undoes is offered

export function createCorrections(store, notices, labels) {
  const { t } = store.texts;
  const { pictureLabels } = store;
  const text = createElement("span");
  const undo = labels.text(createElement("button", { type: "button", class: "plain", onclick: takeBack }), "tagging_undo");
  const node = createElement("div", { class: "tagging-undo", hidden: true }, text, undo);
  let last = null, timer = null;

  // states: {name of a label: "added", "confirmed", "absent" or null}. sentence: what was done.
  async function change(picture, states, checked, sentence) {
    const before = correctionOf(pictureLabels.corrections, picture);
    const inverse = Object.fromEntries(Object.keys(states).map((name) => [name, before.states[keyOf(name)] ?? null]));
    if (!await send(picture, states, checked)) return false;
    last = { picture, states: inverse, checked: checked === null ? null : before.checked };
    say(sentence);
    return true;
  }

  async function send(picture, states, checked) {
    try {
      await store.api.post(store.path("picture-labels/corrections"), { picture, labels: states, checked });
      return true;
    } catch (error) {
      notices.fail(error);
      return false;
    }
  }

  async function takeBack() {
    const { picture, states, checked } = last;
    hide();
    if (await send(picture, states, checked)) notices.say(t("tagging_undone"));
  }

  const keyOf = (name) => pictureLabels.vocabulary?.find(name)?.key ?? name.trim();

  function say(sentence) {
    notices.say(sentence);
    setText(text, sentence);
    node.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(hideUnlessUsed, SHOWN_MS);
  }

  function hideUnlessUsed() {
    if (node.matches(":hover, :focus-within")) timer = setTimeout(hideUnlessUsed, SHOWN_MS);
    else hide();
  }

  function hide() {
    clearTimeout(timer);
    node.hidden = true;
  }

  const written = (label) => nameOf(label, store.draft.language === "both" ? "both" : store.texts.language);

  return {
    node, undo,
    // label: {key, en, zh, by}. One that was added is only taken back.
    remove: ({ picture }, label) => change(picture.id, { [label.key]: label.by === "added" && !isJudged(picture.id, label.key) ? null : "absent" }, null,
      t("tagging_said_removed", { label: written(label), name: picture.name })),
    putBack: ({ picture }, label) => change(picture.id, { [label.key]: null }, null, t("tagging_said_back", { label: written(label), name: picture.name })),
    add: ({ picture }, name) => change(picture.id, { [name]: "added" }, null, t("tagging_said_added", { label: name, name: picture.name })),
    // All labels that are shown count as confirmed; pressed again, those that were only confirmed do not.
    check({ picture, labels: shownLabels, correction }) {
      const { checked } = correction;
      const states = Object.fromEntries(shownLabels.filter(({ by }) => by !== "added").map(({ key }) => [key, checked ? null : "confirmed"]));
      return change(picture.id, states, !checked, t(checked ? "tagging_said_unchecked" : "tagging_said_checked", { name: picture.name }));
    },
    draw(topics) { if (topics.has("session")) hide(); },
  };

  function isJudged(id, key) {
    const { vocabulary, judged } = pictureLabels;
    return Boolean(judged.get(id)?.some(([index]) => vocabulary.labels[index].key === key));
  }
}
