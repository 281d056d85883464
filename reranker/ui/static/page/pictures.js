// Step 1: the pictures. Without any, the buttons that bring them in; with some, a strip of them, and all behind “manage”.

import { createElement } from "./elements.js";
import { setText } from "./labels.js";
import { createManager } from "./manager.js";
import { createMessage } from "./message.js";
import { createFileInputs, createFirstSources, createMoreSources } from "./sources.js";
import { createStrip } from "./strip.js";
import { createUploadProgress } from "./upload_progress.js";

// onFiles: ([{file, path, isAlone}]). takesSaved: whether the tab opens saved rankings.
export function createPictures(store, uploads, labels, onFiles, { takesSaved = true } = {}) {
  const { t } = store.texts;
  const inputs = createFileInputs(store, onFiles, takesSaved);
  const actions = { addSamples: () => addFrom("samples"), addGallery: (name) => addFrom("galleries", { name }) };
  const first = createFirstSources(store, labels, inputs, actions);
  const more = createMoreSources(store, labels, inputs, actions);
  const manage = createElement("button", {
    type: "button", class: "plain manage", "aria-controls": store.idOf("manager"), onclick: () => unfold(manager.node.hidden),
  });
  const manager = createManager(store, labels, remove);
  const strip = createStrip(store, uploads, () => unfold(true));
  const progress = createUploadProgress(store, uploads, labels);
  const removed = createMessage(labels, "", () => { isUndoClosed = true; });
  const trouble = createMessage(labels, "is-trouble", () => { said = null; });
  const head = createElement("div", { class: "step-head" },
    createElement("span", { class: "step-number", "aria-hidden": "true" }, "1"),
    labels.text(createElement("h2", { id: store.idOf("step-pictures") }), "pictures_title"), manage, more.node);
  const node = createElement("section", { class: "step pictures", "aria-labelledby": store.idOf("step-pictures") },
    head, inputs.node, first.node, strip.node, progress.node, trouble.node, removed.node);
  let isAdding = false, isUndoClosed = false, lastRemoved = 0, said = null;

  async function addFrom(route, body = {}) {
    if (isAdding) return;
    isAdding = true;
    draw();
    await attempt(async () => {
      const { left_out: leftOut } = await store.api.post(store.path(route), body);
      if (leftOut) said = () => t("upload_left_out", { count: leftOut, max: store.limits.max_pictures });
    });
    isAdding = false;
    draw();
  }

  // Do something on the server, and say what went wrong.
  async function attempt(work) {
    said = null;
    try {
      await work();
    } catch (error) {
      said = error.sentence;
    }
    draw();
  }

  // The pictures go at once, and come back if the server could not remove them.
  function remove(ids) {
    const before = store.pictures, gone = new Set(ids);
    store.pictures = new Map(before);
    ids.forEach((id) => store.pictures.delete(id));
    isUndoClosed = false;
    store.note("pictures");
    attempt(() => store.api.post(store.path("remove"), { pictures: ids }).catch((error) => {
      const kept = [...before].filter(([id]) => store.pictures.has(id) || gone.has(id));
      store.pictures = new Map([...kept, ...store.pictures]);
      store.note("pictures");
      throw error;
    }));
  }

  const restore = () => attempt(async () => {
    await store.api.post(store.path("restore"));
    (manager.node.hidden ? manage : manager).focus();
  });

  function unfold(isOpen) {
    manager.node.hidden = !isOpen;
    draw();
    if (isOpen) manager.focus(); else manage.focus();
  }

  function draw() {
    const count = store.pictures.size;
    if (!count) manager.node.hidden = true;
    const isOpen = !manager.node.hidden;
    const hadFocus = node.contains(document.activeElement) || manager.node.contains(document.activeElement);
    first.node.hidden = count > 0 || uploads.isActive;
    more.node.hidden = manage.hidden = !first.node.hidden;
    node.classList.toggle("has-some", !manage.hidden);
    strip.node.hidden = !count;
    setText(manage, `${t("pictures_count", { count })} · ${t(isOpen ? "pictures_fold" : "pictures_manage")}`);
    manage.setAttribute("aria-expanded", String(isOpen));
    first.draw(isAdding);
    trouble.show(said?.() ?? "");
    drawUndo();
    strip.draw();
    manager.draw();
    if (hadFocus && !isSeen(document.activeElement)) (first.node.hidden ? manage : first.samples).focus({ preventScroll: true });
  }

  function drawUndo() {
    const { canRestore } = store;
    if (canRestore !== lastRemoved) isUndoClosed = false;
    lastRemoved = canRestore;
    const isShown = canRestore > 0 && !isUndoClosed;
    removed.show(isShown ? t("pictures_removed", { count: canRestore }) : "", { text: t("pictures_undo"), run: restore });
  }

  return {
    node, manager: manager.node,
    // Say what went wrong. sentence: () -> text.
    complain(sentence) { said = sentence; draw(); },
    draw(topics) {
      if (topics.has("connection") && store.connection === "open") said = null;
      if (topics.has("session") || topics.has("language")) [first, more].forEach((sources) => sources.drawGalleries());
      if (["session", "pictures", "language", "uploads"].some((topic) => topics.has(topic))) draw();
      progress.draw(topics);
    },
  };
}

// Whether an element is on the page and visible, so that it can have the focus.
const isSeen = (node) => node !== document.body && node.isConnected && node.checkVisibility();
