// The rankings as cards: tabs, a histogram with a threshold, the top pictures; all of it without asking the server.
// Gradio provides element, props, trigger and watch; elements.js the functions that create elements.

const BIN_COUNT = 20;
const view = { run: null, tab: 0, minScore: 0, maxCount: 0 };

const send = (action, details = {}) => trigger("click", { action, ...details });

// The change of a rank, or that the picture is new if the change is null.
function rankChange(change, labels) {
  if (change == null) return createElement("span", { class: "rank-change new" }, labels.new);
  if (change === 0) return createElement("span", { class: "rank-change" }, "=");
  const [sign, direction] = change > 0 ? ["▲", "up"] : ["▼", "down"];
  return createElement("span", { class: `rank-change ${direction}` }, `${sign}${Math.abs(change)}`);
}

function createCard(card, tab, labels) {
  return createElement("li", { class: card.rank === 1 ? "first" : "" },
    createElement("button", {
      type: "button", class: "card", "aria-label": fillIn(labels.card, card), title: card.name,
      onclick: () => send("choose", { tab, src: card.src }),
    },
      createPicture(card.src),
      createScoreBar(card.value),
      createElement("span", { class: "caption" },
        createElement("b", {}, `${card.rank === 1 ? "★ " : ""}#${card.rank} · ${card.score}`), " ", card.name)));
}

// The indexes of the cards that pass the filters: a score of at least the threshold, and the best of those.
function visibleIndexes(ranking) {
  const indexes = ranking.cards.map((_, index) => index).filter((index) => ranking.cards[index].value >= view.minScore);
  return new Set(indexes.slice(0, view.maxCount || undefined));
}

function createHistogram(ranking) {
  const counts = Array(BIN_COUNT).fill(0);
  for (const card of ranking.cards) counts[Math.min(BIN_COUNT - 1, Math.floor(card.value * BIN_COUNT / 10))] += 1;
  const highest = Math.max(...counts);
  return createElement("div", { class: "histogram", "aria-hidden": "true" },
    ...counts.map((count) => createElement("i", { style: `height: ${count ? 8 + 92 * count / highest : 0}%` })));
}

function createFilters(ranking, labels) {
  const minScore = createElement("input", {
    type: "range", min: 0, max: 10, step: 0.1, value: view.minScore, "aria-label": labels.threshold,
    oninput: (event) => { view.minScore = Number(event.target.value); filter(ranking, labels); },
  });
  const maxCount = createElement("input", {
    type: "number", min: 1, step: 1, value: view.maxCount || "", placeholder: labels.all, "aria-label": labels.most,
    oninput: (event) => { view.maxCount = Math.max(0, Math.floor(Number(event.target.value))); filter(ranking, labels); },
  });
  return createElement("div", { class: "tools" },
    createElement("div", { class: "threshold" }, createHistogram(ranking), minScore),
    createElement("span", { class: "min-score" }, `${labels.threshold} `, createElement("b")),
    createElement("label", {}, `${labels.most} `, maxCount),
    createElement("output", { class: "shown" }));
}

function createCards(ranking, tab, labels) {
  return createElement("ol", { class: "cards", "aria-label": ranking.query, onkeydown: moveBetweenCards },
    ...ranking.cards.map((card) => createCard(card, tab, labels)));
}

// Hide the cards that do not pass the filters. No element is created, so that a thousand cards stay fast.
function filter(ranking, labels) {
  const rankings = element.querySelector(".rankings");
  const visible = visibleIndexes(ranking);
  [...rankings.querySelectorAll(".cards li")].forEach((item, index) => { item.hidden = !visible.has(index); });
  const [first] = visible;
  rankings.querySelectorAll("button.card").forEach((button, index) => { button.tabIndex = index === first ? 0 : -1; });
  if (!ranking.ended) return;
  rankings.querySelector(".min-score b").textContent = view.minScore.toFixed(1);
  rankings.querySelectorAll(".histogram i").forEach((bar, bin) => {
    bar.classList.toggle("below", (bin + 1) * 10 / BIN_COUNT <= view.minScore);
  });
  rankings.querySelector(".shown").textContent = fillIn(labels.shown, { shown: visible.size, total: ranking.cards.length });
}

function moveBetweenCards(event) {
  moveFocus(event, [...event.currentTarget.querySelectorAll("li:not([hidden]) button.card")]);
}

function createTabs(value) {
  const names = [value.labels.overview, ...value.rankings.map((ranking) => ranking.query)];
  return createElement("div", { class: "tabs", role: "tablist" }, ...names.map((name, index) => createElement("button", {
    type: "button", role: "tab", title: name, "aria-selected": String(index - 1 === view.tab),
    onclick: () => { view.tab = index - 1; redraw(); },
  }, name)));
}

// A table with the best picture of each query.
function createOverview(value) {
  const rows = value.rankings.map((ranking, tab) => {
    const best = ranking.cards[0];
    const button = best && createElement("button", {
      type: "button", class: "best", onclick: () => send("choose", { tab, src: best.src }),
    }, createPicture(best.src), createElement("span", {}, best.name));
    return createElement("tr", {}, createElement("th", { scope: "row" }, ranking.query), createElement("td", {}, button ?? "–"),
      createElement("td", { class: "number" }, best ? best.score : "–"), createElement("td", {}, ranking.note ?? ""));
  });
  const titles = [value.labels.query, value.labels.best, value.labels.score, ""];
  return createElement("table", { class: "overview" },
    createElement("thead", {}, createElement("tr", {}, ...titles.map((title) => createElement("th", { scope: "col" }, title)))),
    createElement("tbody", {}, ...rows));
}

// Two rankings side by side, with the change of each picture's rank.
function createComparison(value) {
  const { labels } = value;
  const [before, after] = value.compared;
  const ranksBefore = new Map(before.cards.map((card) => [card.key, card.rank]));
  const change = (card) => ranksBefore.has(card.key) ? ranksBefore.get(card.key) - card.rank : null;
  const column = (ranking, withChanges) => createElement("section", {},
    createElement("h3", {}, ranking.query, createElement("small", {}, ` ${ranking.note ?? ""}`)),
    createElement("ol", {}, ...ranking.cards.map((card) => createElement("li", {},
      createElement("b", {}, `#${card.rank}`),
      createPicture(card.src),
      createElement("span", { class: "name", title: card.name }, card.name), createElement("span", {}, card.score),
      withChanges ? rankChange(change(card), labels) : null))));
  return createElement("div", { class: "compared" },
    createElement("button", { type: "button", class: "close", onclick: () => send("close") }, labels.close),
    createElement("div", { class: "columns" }, column(before, false), column(after, true)));
}

function createEarlierList(value) {
  if (value.earlier.length < 2) return null;
  return createElement("nav", { class: "earlier", "aria-label": value.labels.earlier },
    createElement("span", {}, value.labels.earlier),
    ...value.earlier.map((ranking, index) => createElement("span", { class: "chip" },
      createElement("button", { type: "button", title: ranking.title, onclick: () => send("open", { index }) }, ranking.query),
      index > 0 ? createElement("button", {
        type: "button", class: "compare", title: value.labels.compare, "aria-label": `${value.labels.compare}: ${ranking.query}`,
        onclick: () => send("compare", { index, tab: Math.max(0, view.tab) }),
      }, "⇄") : null)));
}

function redraw() {
  const value = props.value;
  const rankings = element.querySelector(".rankings");
  if (!rankings || !value) return;
  if (value.run !== view.run) Object.assign(view, { run: value.run, tab: value.rankings.length > 1 ? -1 : 0, minScore: 0 });
  const focused = rankings.contains(document.activeElement) ? document.activeElement : null;
  const focus = focused && { tag: focused.tagName, label: focused.getAttribute("aria-label") };
  const ranking = value.rankings[Math.min(view.tab, value.rankings.length - 1)];
  const content = value.compared ? [createComparison(value)]
    : view.tab < 0 ? [createOverview(value)]
    : ranking?.cards.length ? [ranking.ended ? createFilters(ranking, value.labels) : null, createCards(ranking, view.tab, value.labels)] : [];
  rankings.dataset.tab = value.compared ? Math.max(0, view.tab) : view.tab;
  rankings.replaceChildren(...[
    createEarlierList(value), value.rankings.length > 1 && !value.compared ? createTabs(value) : null, ...content,
  ].filter(Boolean));
  if (content.length && ranking && !value.compared && view.tab >= 0) filter(ranking, value.labels);
  if (focus) [...rankings.querySelectorAll(focus.tag)].find((node) => node.getAttribute("aria-label") === focus.label)?.focus();
}

watch("value", redraw);
redraw();
