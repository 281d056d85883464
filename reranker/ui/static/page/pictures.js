// Step 1: the pictures. Without any, the sample gallery is offered first; with some, there is a strip of thumbnails, and
// all of them with their names behind “manage”.

import { createElement, createStepNumber } from "./elements.js";
import { createGrid } from "./grid.js";
import { createSelection } from "./selection.js";

const STRIP_COUNT = 40;
const CELL_PX = 132;  // about this wide
const NAME_PX = 26;

export function createPictures(store, uploads) {
  const { t } = store.texts;
  const heading = createElement("h2");
  const sources = createSources(store, uploads);
  const empty = createEmptyState(store, sources.primary);
  const strip = createElement("div", { class: "strip", "aria-hidden": "true" });
  const manage = createElement("button", { type: "button", class: "plain manage", "aria-expanded": "false", onclick: () => setOpen(manager.node.hidden) });
  const manager = createManager(store);
  const progress = createUploadProgress(store, uploads);
  const node = createElement("section", { class: "step pictures", "aria-labelledby": "step-pictures" },
    createElement("div", { class: "step-head" }, heading, manage, sources.node), empty, strip, progress, manager.node);
  heading.id = "step-pictures";

  function setOpen(isOpen) {
    manager.node.hidden = !isOpen;
    strip.hidden = isOpen;
    manage.setAttribute("aria-expanded", String(isOpen));
    manager.draw();
    show();
  }

  function show() {
    const count = store.pictures.size;
    heading.replaceChildren(createStepNumber(1), t("pictures_title"));
    const text = t("pictures_count", { count });
    manage.textContent = `${text} · ${t(manager.node.hidden ? "pictures_manage" : "pictures_fold")}`;
    empty.hidden = count > 0 || !store.session;
    manage.hidden = !count && !store.canRestore;
    strip.hidden = !count || !manager.node.hidden;
    sources.node.hidden = !count;
    if (!count && !store.canRestore) manager.node.hidden = true;
    drawStrip();
  }

  function drawStrip() {
    if (strip.hidden) return;
    const shown = [...store.pictures.keys()].slice(0, STRIP_COUNT);
    const present = new Map([...strip.children].map((image) => [image.dataset.key, image]));
    strip.replaceChildren(...shown.map((id) => present.get(id) ??
      createElement("img", { src: store.thumbnailUrl(id), alt: "", loading: "lazy", decoding: "async", "data-key": id })));
  }

  store.subscribe((topics) => {
    if (["pictures", "language", "connection"].some((topic) => topics.has(topic))) show();
  });
  return { node };
}

// The buttons that bring pictures in. primary: those of the empty state, the sample gallery first.
function createSources(store, uploads) {
  const { t } = store.texts;
  const input = (attributes) => createElement("input", {
    type: "file", multiple: true, class: "hidden-file", tabindex: "-1", "aria-hidden": "true", ...attributes,
    onchange: (event) => { uploads.add(event.target.files); event.target.value = ""; },
  });
  const files = input({ id: "choose-files" }), folder = input({ webkitdirectory: true, id: "choose-folder" });
  const button = (key, run, kind = "") => {
    const made = createElement("button", { type: "button", class: kind, "data-source": key, onclick: run });
    store.subscribe((topics) => { if (topics.has("language") || topics.has("connection")) made.textContent = t(key, { count: store.samples }); });
    return made;
  };
  const addSamples = () => store.notices.attempt(() => store.api.post(store.path("samples")));
  const others = () => [button("pictures_files", () => files.click()), button("pictures_folder", () => folder.click()), createGalleries(store)];
  const samples = button("pictures_samples", addSamples, "primary");
  const node = createElement("div", { class: "sources" }, files, folder, ...others());
  const primary = createElement("div", { class: "sources" }, samples, ...others());
  store.subscribe((topics) => { if (topics.has("connection")) samples.hidden = !store.samples; });
  return { node, primary };
}

// A menu of the galleries of the server, if it has any.
function createGalleries(store) {
  const { t } = store.texts;
  const select = createElement("select", { hidden: true, onchange: async () => {
    const name = select.value;
    select.value = "";
    const answer = await store.notices.attempt(() => store.api.post(store.path("galleries"), { name }));
    if (answer?.left_out) store.notices.say("pictures_left_out", { count: answer.left_out, max: store.limits.max_pictures });
  } });
  store.subscribe((topics) => {
    if (!topics.has("language") && !topics.has("connection")) return;
    select.hidden = !store.galleries.length;
    select.setAttribute("aria-label", t("pictures_gallery"));
    select.replaceChildren(createElement("option", { value: "" }, t("pictures_gallery")),
      ...store.galleries.map((name) => createElement("option", { value: name }, name)));
  });
  return select;
}

function createEmptyState(store, sources) {
  const { t } = store.texts;
  const hint = createElement("p", { class: "muted" });
  const node = createElement("div", { class: "empty" }, sources, hint);
  store.subscribe((topics) => { if (topics.has("language")) hint.textContent = t("pictures_drop_hint"); });
  return node;
}

// All pictures with their names: search, select, remove, and undo.
function createManager(store) {
  const { t } = store.texts;
  const search = createElement("input", { type: "search", oninput: () => draw() });
  const removeSelected = createElement("button", { type: "button", onclick: () => remove([...selection.keys]) });
  const removeAll = createElement("button", { type: "button", onclick: () => remove([...store.pictures.keys()]) });
  const undo = createElement("button", { type: "button", class: "plain", onclick: () => store.notices.attempt(() => store.api.post(store.path("restore"))) });
  const selection = createSelection(() => draw());
  const grid = createGrid({
    className: "manage-grid", keyOf: (picture) => picture.id, make, update,
    columns: (width) => Math.max(2, Math.round(width / CELL_PX)), rowHeight: (width) => width * 0.75 + NAME_PX,
    onKey(event, picture) {
      if (event.key === "Delete" || event.key === "Backspace") remove(selection.has(picture.id) ? [...selection.keys] : [picture.id]);
      else if (event.key === " ") selection.toggle(picture.id);
      else if (event.key === "a" && (event.ctrlKey || event.metaKey)) selection.all(grid.items.map((each) => each.id));
      else return;
      event.preventDefault();
    },
  });
  const tools = createElement("div", { class: "manage-tools" }, search, removeSelected, removeAll, undo);
  const node = createElement("div", { class: "manager", hidden: true }, tools, grid.node);

  function make(picture) {
    const main = createElement("button", { type: "button", class: "cell", onclick: (event) => choose(event, picture.id) },
      createElement("img", { src: store.thumbnailUrl(picture.id), alt: "", loading: "lazy", decoding: "async" }), createElement("span", { class: "name" }));
    const close = createElement("button", { type: "button", class: "remove", tabindex: "-1", onclick: () => remove([picture.id]) }, "✕");
    return createElement("li", {}, main, close);
  }

  function update(cell, picture) {
    const [main, close] = cell.querySelectorAll("button");
    const isSelected = selection.has(picture.id), trouble = store.texts.text(picture.error);
    main.querySelector(".name").textContent = picture.name;
    main.title = trouble || picture.name;
    main.setAttribute("aria-pressed", String(isSelected));
    main.setAttribute("aria-label", trouble ? `${picture.name}: ${trouble}` : picture.name);
    cell.classList.toggle("selected", isSelected);
    cell.classList.toggle("trouble", Boolean(trouble));
    close.setAttribute("aria-label", t("pictures_remove_named", { name: picture.name }));
  }

  function choose(event, id) {
    if (event.shiftKey) selection.extend(id, grid.items.map((picture) => picture.id));
    else if (event.ctrlKey || event.metaKey) selection.toggle(id);
    else if (selection.has(id) && selection.keys.size === 1) selection.clear();
    else selection.only(id);
  }

  // The pictures go at once; the focus moves to the one that follows.
  async function remove(ids) {
    if (!ids.length) return;
    const gone = new Set(ids), index = grid.items.findIndex((picture) => gone.has(picture.id));
    const hadFocus = node.contains(document.activeElement);
    ids.forEach((id) => store.pictures.delete(id));
    ids.forEach((id) => selection.keys.delete(id));
    store.note("pictures", "results");
    const next = grid.items.filter((picture) => !gone.has(picture.id))[Math.max(0, index)] ?? null;
    draw();
    if (hadFocus) requestAnimationFrame(() => next ? grid.focus(next.id) : search.focus());
    await store.notices.attempt(() => store.api.post(store.path("remove"), { pictures: ids }));
  }

  function draw() {
    if (node.hidden) return;
    selection.keep(store.pictures);
    const wanted = search.value.trim().toLowerCase();
    const shown = [...store.pictures.values()].filter((picture) => picture.name.toLowerCase().includes(wanted));
    search.placeholder = t("pictures_search");
    search.setAttribute("aria-label", t("pictures_search"));
    removeSelected.textContent = t("pictures_remove_selected", { count: selection.keys.size });
    removeSelected.disabled = !selection.keys.size;
    removeAll.textContent = t("pictures_remove_all");
    removeAll.disabled = !store.pictures.size;
    undo.hidden = !store.canRestore;
    undo.textContent = t("pictures_undo", { count: store.canRestore });
    grid.show(shown);
  }

  store.subscribe((topics) => { if (topics.has("pictures") || topics.has("language")) draw(); });
  return { node, draw };
}

// How far the uploads are, and what was refused.
function createUploadProgress(store, uploads) {
  const { t } = store.texts;
  const text = createElement("span"), fill = createElement("i");
  const bar = createElement("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const cancel = createElement("button", { type: "button", class: "plain", onclick: uploads.cancel });
  const running = createElement("div", { class: "upload-progress", hidden: true }, text, bar, cancel);
  const refusedTitle = createElement("b"), refusedList = createElement("ul");
  const dismiss = createElement("button", { type: "button", class: "plain", onclick: uploads.dismissRefused }, "✕");
  const refused = createElement("div", { class: "refused", role: "status", hidden: true }, refusedTitle, dismiss, refusedList);

  function show() {
    const { queue } = uploads;
    const isRunning = queue.active > 0 || queue.waiting.length > 0;
    running.hidden = !isRunning;
    if (isRunning) {
      const percent = Math.round(100 * queue.done / Math.max(1, queue.total));
      text.textContent = t("upload_progress", { done: queue.done, total: queue.total });
      fill.style.width = `${percent}%`;
      bar.setAttribute("aria-valuenow", percent);
      bar.setAttribute("aria-label", text.textContent);
      cancel.textContent = t("upload_cancel");
    }
    refused.hidden = !queue.refused.length;
    refusedTitle.textContent = t("upload_refused", { count: queue.refused.length });
    dismiss.setAttribute("aria-label", t("close"));
    refusedList.replaceChildren(...queue.refused.map(({ name, reason }) => createElement("li", {}, reason ?? t("upload_no_picture", { name }))));
  }

  uploads.subscribe(show);
  store.subscribe((topics) => { if (topics.has("language")) show(); });
  return createElement("div", {}, running, refused);
}
