// Where pictures come from: the sample gallery, files, folders, galleries of the server; and saved rankings.

import { createElement } from "./elements.js";
import { filesOfInput } from "./file_kinds.js";
import { setText } from "./labels.js";
import { createPopover } from "./popover.js";

export const PICTURES = "image/*,.heic,.heif,.avif,.tif,.tiff";

// Hidden inputs that open the dialogs of the system. onFiles: ([{file, path, isAlone}]). takesSaved: whether the tab opens
// saved rankings.
export function createFileInputs(store, onFiles, takesSaved) {
  const input = (attributes) => {
    const node = createElement("input", {
      type: "file", multiple: true, class: "hidden-file", tabindex: "-1", "aria-hidden": "true", ...attributes,
      onchange: () => { onFiles(filesOfInput(node)); node.value = ""; },  // so that the same file can be chosen again
    });
    return node;
  };
  const files = input({ id: store.idOf("choose-files"), accept: PICTURES });
  const folder = input({ id: store.idOf("choose-folder"), webkitdirectory: true });
  const saved = takesSaved ? input({ id: store.idOf("choose-saved"), accept: ".json,application/json" }) : null;
  return { node: createElement("div", { class: "file-inputs" }, files, folder, saved), files, folder, saved };
}

// The buttons of the empty page, the sample gallery first.
export function createFirstSources(store, labels, inputs, actions) {
  const { t } = store.texts;
  const button = (className, onclick) => createElement("button", { type: "button", class: `button ${className}`, onclick });
  const samples = button("big", actions.addSamples);
  const files = labels.text(button("", () => inputs.files.click()), "pictures_files");
  const folder = labels.text(button("", () => inputs.folder.click()), "pictures_folder");
  const galleries = createGalleryMenu(store, labels, actions);
  const hint = labels.text(createElement("p", { class: "muted" }), "pictures_drop_hint");
  const others = createElement("div", { class: "sources-row" }, files, folder, galleries.node);
  return {
    node: createElement("div", { class: "sources" }, samples, others, hint), samples, files,
    draw(isAdding) {
      samples.hidden = !store.samples;
      samples.classList.toggle("main", !samples.hidden);
      files.classList.toggle("main", samples.hidden);
      setText(samples, t(isAdding ? "pictures_adding" : "pictures_samples", { count: store.samples }));
    },
    drawGalleries: galleries.draw,
  };
}

function createGalleryMenu(store, labels, actions) {
  const list = createElement("div", { class: "menu-list" });
  const menu = createPopover("galleries", [list]);
  labels.text(menu.button, "pictures_galleries");
  labels.attribute(menu.panel, "aria-label", "pictures_galleries");
  return {
    node: menu.node,
    draw() {
      menu.node.hidden = !store.galleries.length;
      list.replaceChildren(...store.galleries.map((name) => menuItem(menu, name, () => actions.addGallery(name))));
    },
  };
}

// The menu for more pictures.
export function createMoreSources(store, labels, inputs, actions) {
  const { t } = store.texts;
  const list = createElement("div", { class: "menu-list" });
  const menu = createPopover("add-menu", [list]);
  labels.text(menu.button, "pictures_add");
  labels.attribute(menu.panel, "aria-label", "pictures_add");
  return {
    node: menu.node,
    drawGalleries() {
      const entries = [
        [t("pictures_files"), () => inputs.files.click()], [t("pictures_folder"), () => inputs.folder.click()],
        store.samples > 0 && [t("pictures_samples", { count: store.samples }), actions.addSamples],
        ...store.galleries.map((name) => [t("pictures_gallery", { name }), () => actions.addGallery(name)]),
        inputs.saved && [t("pictures_saved"), () => inputs.saved.click()],
      ];
      list.replaceChildren(...entries.filter(Boolean).map(([text, run]) => menuItem(menu, text, run)));
    },
  };
}

function menuItem(menu, text, run) {
  const choose = () => {
    menu.button.click();  // closes the menu
    menu.button.focus();
    run();
  };
  return createElement("button", { type: "button", class: "menu-item", onclick: choose }, text);
}
