// Bring pictures in: files and folders that are chosen, dropped anywhere or pasted. They are sent three at a time; the
// ranking need not wait for them.

import { createElement } from "./elements.js";

const AT_ONCE = 3;
const NO_PICTURE = /\.(txt|md|pdf|docx?|xlsx?|pptx?|zip|gz|7z|rar|mp[34]|mov|avi|mkv|wav|html?|js|css|py|exe|ini|db|xmp|svg|psd|ai|raw|cr2|nef|arw)$/i;
const HIDDEN = /^(\.|Thumbs\.db$|desktop\.ini$)/i;
const RETRY_MS = 1500;

export function createUploads(store) {
  const queue = { waiting: [], active: 0, done: 0, total: 0, refused: [], same: 0, cancelled: false };
  const listeners = new Set(), savedHandlers = new Set(), briefHandlers = new Set();
  const changed = () => listeners.forEach((listener) => listener(queue));

  // files: of the browser. They are sorted by name, as people number their pictures.
  function add(files) {
    const named = [...files].filter((file) => !HIDDEN.test(file.name));
    named.sort((a, b) => pathOf(a).localeCompare(pathOf(b), undefined, { numeric: true }));
    const saved = named.filter((file) => /\.json$/i.test(file.name));
    const briefs = named.length === 1 && /\.(csv|txt)$/i.test(named[0].name) ? named : [];
    const others = named.filter((file) => !saved.includes(file) && !briefs.includes(file));
    savedHandlers.forEach((handle) => saved.forEach(handle));
    briefHandlers.forEach((handle) => briefs.forEach(handle));
    if (!queue.active && !queue.waiting.length) Object.assign(queue, { done: 0, total: 0, refused: [], same: 0, cancelled: false });
    for (const file of others) {
      if (NO_PICTURE.test(file.name)) queue.refused.push({ name: file.name, reason: null });
      else { queue.waiting.push(file); queue.total += 1; }
    }
    changed();
    work();
  }

  function work() {
    while (queue.active < AT_ONCE && queue.waiting.length) send(queue.waiting.shift());
  }

  async function send(file) {
    queue.active += 1;
    try {
      const answer = await upload(file);
      if (answer.same_as) queue.same += 1;
    } catch (error) {
      queue.refused.push({ name: file.name, reason: error.message });
    }
    queue.active -= 1;
    queue.done += 1;
    changed();
    if (!queue.active && !queue.waiting.length) end();
    work();
  }

  // A server that is gone comes back, perhaps; the file waits for it.
  async function upload(file) {
    const path = store.path(`pictures?name=${encodeURIComponent(file.name)}`);
    for (;;) {
      try {
        return await store.api.post(path, file, { raw: true });
      } catch (error) {
        if (error.status !== 0 || queue.cancelled) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  function end() {
    if (queue.same) store.notices.say("upload_same", { count: queue.same });
  }

  function cancel() {
    queue.total -= queue.waiting.length;
    Object.assign(queue, { waiting: [], cancelled: true });
    changed();
  }

  const overlay = createOverlay(store, add);
  document.addEventListener("paste", (event) => {
    const pictures = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    if (!pictures.length) return;
    event.preventDefault();
    add(pictures);
  });

  return {
    overlay, add, cancel, queue,
    subscribe: (listener) => listeners.add(listener),
    onSaved: (handle) => savedHandlers.add(handle),
    onBrief: (handle) => briefHandlers.add(handle),
    dismissRefused() { queue.refused = []; changed(); },
  };
}

const pathOf = (file) => file.webkitRelativePath || file.fullPath || file.name;

// A field over the whole page while something is dragged over it. What is dropped never opens in place of the page.
function createOverlay(store, add) {
  const text = createElement("p");
  const overlay = createElement("div", { class: "drop-overlay", hidden: true }, text);
  let depth = 0;

  const hide = () => { depth = 0; overlay.hidden = true; };
  document.addEventListener("dragenter", (event) => {
    event.preventDefault();
    depth += 1;
    if (event.dataTransfer?.types.includes("Files")) overlay.hidden = false;
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    event.dataTransfer.dropEffect = event.dataTransfer.types.includes("Files") ? "copy" : "none";
  });
  document.addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) hide(); });
  document.addEventListener("drop", async (event) => {
    if (event.target.closest?.("input, textarea") && !event.dataTransfer.types.includes("Files")) return hide();
    event.preventDefault();
    hide();
    if (event.dataTransfer.types.includes("Files")) add(await droppedFiles(event.dataTransfer));
  });
  store.subscribe((topics) => { if (topics.has("language")) text.textContent = store.texts.t("upload_drop"); });
  return overlay;
}

// The dropped files, also those in folders.
async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(() => null);
    if (file) file.fullPath = entry.fullPath;
    return file ? [file] : [];
  }
  if (HIDDEN.test(entry.name)) return [];
  const reader = entry.createReader(), children = [];
  for (;;) {  // a browser returns a hundred entries at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (!some.length) break;
    children.push(...some);
  }
  return (await Promise.all(children.map(filesOf))).flat();
}
