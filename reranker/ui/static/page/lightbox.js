// One picture alone: large, with zoom, beside a second one, and why it has its score.

import { createElement } from "./elements.js";
import { createMarkButtons, mark, markOfKey } from "./marks.js";
import { scoreText } from "./ranking_rows.js";
import { createZoom } from "./zoom.js";

const NOT_FOUND = 0.5;     // a part of the sentence with a lower score was not found
const FULL_DROP = 2;       // log-odds; a place that costs as much is shown at full strength
const SMALLEST_DROP = 0.1;

// shownRows: returns {rows, visible}. leave: is called with the key of the picture that was shown last.
export function createLightbox(store, shownRows, leave) {
  const { t, text } = store.texts;
  const stage = createElement("div", { class: "stage" });
  const title = createElement("h2", { id: "lightbox-title" }), name = createElement("p", { class: "name" });
  const button = (action, run, content = "") => createElement("button", { type: "button", class: action, onclick: run }, content);
  const buttons = {
    previous: button("previous", () => move(-1), "←"), next: button("next", () => move(1), "→"),
    smaller: button("smaller", () => zooms.forEach((zoom) => zoom.by(1 / 1.5)), "−"), larger: button("larger", () => zooms.forEach((zoom) => zoom.by(1.5)), "+"),
    beside: button("beside", keepBeside), why: button("why", () => ask("explain")), words: button("words", () => ask("rating")), close: button("close", () => dialog.close(), "✕"),
  };
  const marks = createMarkButtons(store, (change) => setMark(change));
  const answer = createElement("div", { class: "answer", role: "status" });
  const facts = createElement("dl"), details = createElement("details", {}, createElement("summary"), facts);
  const side = createElement("aside", {}, createElement("div", { class: "side-head" }, title, buttons.close), name, marks.node,
    createElement("div", { class: "side-buttons" }, buttons.previous, buttons.next, buttons.smaller, buttons.larger, buttons.beside),
    createElement("div", { class: "side-buttons" }, buttons.why, buttons.words), answer, details);
  const dialog = createElement("dialog", { class: "lightbox", "aria-labelledby": "lightbox-title", onkeydown: press, onclose: closed }, stage, side);
  let key = null, besideKey = null, zooms = [], asked = null;
  const answers = new Map();  // by ranking and picture
  const exif = new Map();     // by picture

  const rowOf = (each) => shownRows().rows.find((row) => row.key === each);
  const current = () => rowOf(key);

  function open(opened) {
    key = opened;
    draw();
    if (!dialog.open) dialog.showModal();
    buttons.close.focus();
  }

  function move(step) {
    const { visible } = shownRows(), index = visible.findIndex((row) => row.key === key);
    const next = visible[index + step];
    if (!next) return;
    key = next.key;
    draw();
  }

  function keepBeside() {
    besideKey = besideKey === null ? key : null;
    if (besideKey !== null) move(1);
    draw();
  }

  function closed() {
    asked?.abort();
    besideKey = null;
    leave(key);
  }

  function setMark(change) {
    const row = current();
    if (row?.picture) mark(store, [row.picture], change);
    draw();
  }

  function press(event) {
    const change = markOfKey(event);
    if (change) setMark(change);
    else if (event.key === "ArrowRight") move(1);
    else if (event.key === "ArrowLeft") move(-1);
    else if (event.key === "+") zooms.forEach((zoom) => zoom.by(1.5));
    else if (event.key === "-") zooms.forEach((zoom) => zoom.by(1 / 1.5));
    else return;
    event.preventDefault();
  }

  function draw() {
    const row = current();
    if (!row) return dialog.open && dialog.close();
    const { visible } = shownRows(), index = visible.indexOf(row), beside = besideKey === null ? null : rowOf(besideKey);
    drawStage(beside && beside !== row ? [beside, row] : [row]);
    title.textContent = t("lightbox_title", { rank: row.rank, score: scoreText(row.score) });
    name.textContent = row.name;
    marks.node.hidden = !row.picture;
    marks.show(store.marks.get(row.picture));
    buttons.previous.disabled = index <= 0;
    buttons.next.disabled = index < 0 || index >= visible.length - 1;
    buttons.beside.textContent = t(besideKey === null ? "lightbox_beside" : "lightbox_alone");
    for (const action of ["previous", "next", "smaller", "larger", "close"]) {
      buttons[action].setAttribute("aria-label", t(`lightbox_${action}`));
      buttons[action].title = t(`lightbox_${action}`);
    }
    for (const each of [visible[index + 1], visible[index - 1]]) if (each?.picture) new Image().src = store.fullUrl(each.picture);
    drawAnswer(row);
    drawDetails(row);
  }

  function drawStage(rows) {
    const keys = rows.map((row) => row.key).join(" ");
    if (stage.dataset.keys === keys) return;
    stage.dataset.keys = keys;
    zooms = rows.map((row) => createZoom(row.picture && store.fullUrl(row.picture), row.picture && store.thumbnailUrl(row.picture), row.name));
    stage.replaceChildren(...zooms.map((zoom, index) => createElement("figure", {}, zoom.node,
      rows.length > 1 && createElement("figcaption", {}, `#${rows[index].rank} · ${scoreText(rows[index].score)} · ${rows[index].name}`))));
  }

  // Ask the model about this picture: "explain" or "rating".
  async function ask(question) {
    const row = current(), ranking = store.view.ranking, id = `${ranking} ${row.picture}`;
    asked?.abort();
    const request = asked = new AbortController();
    const known = answers.get(id) ?? {};
    answers.set(id, { ...known, busy: question, trouble: null });
    drawAnswer(row);
    try {
      const found = await store.api.post(store.path(question), { ranking, picture: row.picture }, { signal: request.signal });
      answers.set(id, { ...known, busy: null, [question]: found });
    } catch (error) {
      answers.set(id, { ...known, busy: null, trouble: error.name === "AbortError" ? null : error.message });
    }
    if (dialog.open && current()) drawAnswer(current());
  }

  function drawAnswer(row) {
    const { explain, rating, busy, trouble } = answers.get(`${store.view.ranking} ${row.picture}`) ?? {};
    buttons.why.textContent = t("lightbox_why");
    buttons.words.textContent = t("lightbox_rate");
    buttons.why.hidden = Boolean(explain) || !row.picture;
    buttons.words.hidden = Boolean(rating) || !row.picture;
    buttons.why.disabled = buttons.words.disabled = Boolean(busy);
    answer.replaceChildren(...[
      busy && createElement("p", { class: "muted" }, t("lightbox_asking")),
      trouble && createElement("p", { class: "trouble" }, trouble),
      explain?.parts.length > 1 && createElement("ul", { class: "parts" }, ...explain.parts.map(partItem)),
      explain && createElement("p", { class: "muted" }, whereText(explain.drops)),
      rating && createElement("p", {}, t("lightbox_rating", { text: rating.text, score: rating.score.toFixed(1) })),
    ].filter(Boolean));
    zooms.at(-1)?.dim(explain && largest(explain.drops) >= SMALLEST_DROP ? explain.drops.map((line) => line.map((drop) => Math.min(1, Math.max(0, drop) / FULL_DROP))) : null);
  }

  const partItem = (part) => createElement("li", { class: part.score < NOT_FOUND ? "not-found" : "" },
    createElement("span", {}, part.text), createElement("b", {}, scoreText(part.score)), part.score < NOT_FOUND && createElement("span", { class: "muted" }, t("lightbox_not_found")));
  const largest = (drops) => Math.max(...drops.flat());
  const whereText = (drops) => (largest(drops) >= SMALLEST_DROP ? t("lightbox_where", { most: largest(drops).toFixed(1) }) : t("lightbox_nowhere"));

  async function drawDetails(row) {
    const picture = store.pictures.get(row.picture);
    details.firstChild.textContent = t("lightbox_details");
    const rows = [
      [t("detail_score"), row.score.toFixed(4)],
      [t("detail_log_odds"), row.logOdds.toFixed(4)],
      row.tokens && [t("detail_tokens"), row.tokens],
      [t("detail_batch"), row.latency ? t(row.cached ? "detail_cached" : "detail_fresh", { ms: Math.round(row.latency) }) : t("detail_stored")],
      row.words && [t("detail_words"), row.words],
      picture?.width && [t("detail_size"), `${picture.width} × ${picture.height}`],
      picture && [t("detail_bytes"), `${(picture.bytes / 1e6).toFixed(2)} MB`],
      picture?.taken && [t("detail_taken"), picture.taken.replace("T", " ")],
      ...(exif.get(row.picture) ?? []).map(([label, value]) => [text(label), value]),
    ].filter(Boolean);
    facts.replaceChildren(...rows.map(([label, value]) => createElement("div", {}, createElement("dt", {}, label), createElement("dd", {}, String(value)))));
    if (!row.picture || exif.has(row.picture)) return;
    exif.set(row.picture, []);
    const found = await store.api.get(store.path(`pictures/${row.picture}/details`)).catch(() => null);
    if (!found?.rows.length) return;
    exif.set(row.picture, found.rows);
    if (current() === row) drawDetails(row);
  }

  return { node: dialog, open, refresh() { if (dialog.open) draw(); } };
}
