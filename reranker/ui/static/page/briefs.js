// A run with several sentences: a table with a row for each, which leads to the board of that sentence.

import { titleOf } from "./example.js";
import { createElement, updateByKey } from "./elements.js";
import { countText } from "./formats.js";
import { setText } from "./labels.js";
import { orderRows, scoreText } from "./order.js";

const BEST = 3, LOADED_AT_ONCE = 2;

// onOpen: called when a sentence was chosen.
export function createBriefs(store, shown, labels, onOpen) {
  const { texts } = store;
  const heads = ["brief_sentence", "brief_best", "brief_score", "brief_fit", "brief_state"]
    .map((key) => labels.text(createElement("th", { scope: "col" }), key));
  const body = createElement("tbody", { onkeydown: moveBetweenRows });
  const caption = createElement("caption");
  const node = createElement("table", { class: "briefs", hidden: true }, caption, createElement("thead", {}, createElement("tr", {}, ...heads)), body);
  const figures = new WeakMap();  // by the results of a ranking: {version, score, fits}
  let loading = 0;

  // Best scores and counts need the results of every sentence; a few are fetched at a time.
  async function loadNext() {
    const next = shown.run.find(({ id, scored }) => scored > 0 && !store.results.has(id));
    if (!next || loading >= LOADED_AT_ONCE || store.connection !== "open") return;
    loading += 1;
    await store.loadResults(next.id);
    loading -= 1;
  }

  function choose(id) {
    shown.show(id);
    onOpen();
  }

  function makeRow(summary) {
    const row = createElement("tr", { class: "brief", onclick: () => choose(summary.id) });
    const open = createElement("button", { type: "button", class: "brief-open" });
    const best = createElement("td", { class: "brief-best" });
    const [score, fits, state] = ["number", "number", "brief-state"].map((name) => createElement("td", { class: name }));
    row.append(createElement("th", { scope: "row" }, open), best, score, fits, state);
    row.parts = { open, best, score, fits, state };
    return row;
  }

  // Rows that would look the same are left alone, because there can be 200 of them in every frame of a run.
  function updateRow(row, summary) {
    const results = store.results.get(summary.id);
    const isShown = summary.id === shown.id, state = stateText(summary);
    const look = [isShown, state, summary.best, summary.scored, results?.isLoaded, results?.scored.size, store.pictures.size, texts.language].join();
    if (look === row.look) return;
    row.look = look;
    drawRow(row, summary, isShown, state);
  }

  function drawRow(row, summary, isShown, text) {
    const { open, best, score, fits, state } = row.parts;
    const { best: ids, ...read } = figuresOf(summary);
    setText(open, titleOf(summary, texts));
    open.tabIndex = isShown ? 0 : -1;
    if (isShown) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current");
    showBest(best, ids);
    setText(score, read.score === null ? "–" : scoreText(read.score));
    setText(fits, read.fits === null ? "–" : countText(read.fits, texts.language));
    setText(state, text);
    open.dataset.state = text;  // shown below the sentence where there is no room for the column
    state.dataset.state = summary.state;
  }

  // Read from the results where they are loaded, otherwise from what the summary says. Of a ranking that has ended they are
  // read once.
  function figuresOf(summary) {
    const results = store.results.get(summary.id);
    const best = summary.best.filter((id) => store.pictures.has(id));
    if (!results?.isLoaded) return { best, score: null, fits: null };
    const version = summary.state === "running" ? null : `${results.scored.size} ${store.pictures.size}`;
    if (version === null || figures.get(results)?.version !== version) figures.set(results, { version, ...readFigures(summary, results) });
    return { best, ...figures.get(results) };
  }

  function readFigures({ temperature, threshold }, results) {
    const rows = orderRows(results, temperature, store.pictures);
    return {
      score: rows[0]?.score ?? null,
      fits: threshold === null ? null : rows.filter(({ score }) => score >= threshold).length,
    };
  }

  function showBest(cell, ids) {
    updateByKey(cell, ids.slice(0, BEST), (id) => id,
      (id) => createElement("img", { src: store.smallUrl(id), alt: "", loading: "lazy", decoding: "async" }), () => {});
  }

  function stateText(summary) {
    const done = summary.scored + summary.failed;
    if (summary.state === "running" && done === 0 && store.job?.current !== summary.id) return texts.t("brief_waiting");
    if (summary.state === "running") return `${done}/${summary.total}`;
    return texts.t(`brief_${summary.state}`);
  }

  function moveBetweenRows(event) {
    const rows = [...body.children];
    const index = rows.indexOf(event.target.closest("tr"));
    const target = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: rows.length - 1 }[event.key];
    if (target === undefined || !rows[target]) return;
    event.preventDefault();
    rows[index].parts.open.tabIndex = -1;
    rows[target].parts.open.tabIndex = 0;
    rows[target].parts.open.focus();
  }

  return {
    node,
    focusShown() { body.querySelector("[aria-current]")?.parts.open.focus(); },
    draw() {
      node.hidden = shown.run.length < 2;
      if (node.hidden) return;
      setText(caption, texts.t("brief_caption", { count: shown.run.length, done: shown.run.filter(({ state }) => state !== "running").length }));
      const hadFocus = body.contains(document.activeElement);
      const focused = document.activeElement;
      updateByKey(body, shown.run, ({ id }) => id, makeRow, updateRow);
      if (hadFocus) focused.tabIndex = 0;
      loadNext();
    },
  };
}

// Buttons beside the headline: to the sentences before and after, and back to the table. briefs: see createBriefs.
export function createBriefSteps(store, shown, labels, briefs) {
  const stepButton = (key, glyph, change) => {
    const button = createElement("button", { type: "button", class: "button", onclick: () => step(change) }, glyph);
    return labels.attribute(labels.attribute(button, "aria-label", key), "title", key);
  };
  const previous = stepButton("brief_previous", "‹", -1), next = stepButton("brief_next", "›", 1);
  const all = labels.text(createElement("button", { type: "button", class: "button", onclick: () => briefs.focusShown() }), "brief_all");
  const node = createElement("div", { class: "brief-steps", hidden: true }, previous, next, all);
  const index = () => shown.run.findIndex(({ id }) => id === shown.id);

  function step(change) {
    const target = shown.run[index() + change];
    if (target) shown.show(target.id);
  }

  return {
    node,
    draw() {
      node.hidden = shown.run.length < 2 || shown.compared !== null;
      previous.setAttribute("aria-disabled", String(index() <= 0));
      next.setAttribute("aria-disabled", String(index() >= shown.run.length - 1));
    },
  };
}
