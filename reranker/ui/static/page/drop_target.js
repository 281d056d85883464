// Files that are dropped or pasted anywhere on the page. A drop never leads to another page.

import { droppedFiles } from "./dropped_files.js";
import { createElement } from "./elements.js";

const targets = [];  // of all tabs; the one that is visible takes the files
const STALE_MS = 500;  // a drag says often where it is; without a word, it has left the window

// app: files are taken while it is visible. kinds: key of the text that says what is taken. onFiles: ([{file, path, isAlone}]).
// onNoFiles: () after a drop of text or links.
export function createDropTarget(app, labels, { kinds = "upload_drop_kinds", onFiles, onNoFiles }) {
  const text = labels.text(createElement("p"), "upload_drop_here");
  const details = labels.text(createElement("p", { class: "drop-details" }), kinds);
  const node = createElement("div", { class: "drop-overlay", hidden: true, "aria-hidden": "true" }, createElement("div", {}, text, details));
  let isOwnDrag = false, timer = null;

  const isHere = () => app.checkVisibility();
  // Whether another tab handles it. Without any that is visible, the first one keeps a drop from leading to another page.
  const isForOthers = () => !isHere() && (targets[0] !== app || targets.some((target) => target.checkVisibility()));
  const hasFiles = (event) => !isOwnDrag && event.dataTransfer.types.includes("Files");
  const isText = (event) => !hasFiles(event) && event.target.closest?.("input, textarea");  // browsers put it there

  function show(isShown) {
    clearTimeout(timer);
    node.hidden = !isShown;
    if (isShown) timer = setTimeout(() => show(false), STALE_MS);
  }

  function handleDrag(event) {
    if (event.defaultPrevented || isText(event) || isForOthers()) return;
    event.preventDefault();
    const isTaken = hasFiles(event) && isHere();
    event.dataTransfer.dropEffect = isTaken ? "copy" : "none";
    show(isTaken);
  }

  async function handleDrop(event) {
    show(false);
    if (event.defaultPrevented || isText(event) || isForOthers()) return;
    event.preventDefault();
    if (isOwnDrag || !isHere()) return;
    if (!hasFiles(event)) return onNoFiles();
    onFiles(await droppedFiles(event.dataTransfer));
  }

  function handlePaste(event) {
    const files = [...event.clipboardData?.files ?? []];
    if (!files.length || event.defaultPrevented || !isHere()) return;
    event.preventDefault();
    onFiles(files.map((file) => ({ file: named(file), path: file.name, isAlone: true })));
  }

  targets.push(app);
  window.addEventListener("dragstart", () => { isOwnDrag = true; });
  window.addEventListener("dragend", () => { isOwnDrag = false; });
  window.addEventListener("dragenter", handleDrag);
  window.addEventListener("dragover", handleDrag);
  window.addEventListener("drop", handleDrop);
  window.addEventListener("paste", handlePaste);
  return { node };
}

// Browsers call every picture of the clipboard image.png; the time tells several of them apart.
function named(file) {
  if (file.name !== "image.png") return file;
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
  return new File([file], `image ${time}.png`, { type: file.type });
}
