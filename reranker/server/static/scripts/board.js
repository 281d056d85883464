// The ranking as cards: tabs, a histogram with a threshold, top-K, arrows that walk; all of it without asking again.
// Given by the page: element, props, trigger, watch; made, picture, bar, walk and filled come from elements.js.

const BINS = 20;
const view = { run: null, tab: 0, least: 0, most: 0 };

const press = (action, place = {}) => trigger("click", { action, ...place });

function moved(places, labels) {
  if (places == null) return made("span", { class: "moved new" }, labels.new);
  if (places === 0) return made("span", { class: "moved" }, "=");
  const [sign, kind] = places > 0 ? ["▲", "up"] : ["▼", "down"];
  return made("span", { class: `moved ${kind}` }, `${sign}${Math.abs(places)}`);
}

function card(one, tab, index, labels) {
  const said = filled(labels.card, one);
  return made("li", { class: one.rank === 1 ? "first" : "" },
    made("button", {
      type: "button", class: "card", "aria-label": said, title: one.name,
      onclick: () => press("choose", { tab, src: one.src }),
    },
      picture(one.src),
      bar(one.value),
      made("span", { class: "caption" },
        made("b", {}, `${one.rank === 1 ? "★ " : ""}#${one.rank} · ${one.score}`), " ", one.name)));
}

// What is left of a deck: those with at least the threshold, the best of them first.
function left(deck) {
  const kept = deck.cards.map((_, index) => index).filter((index) => deck.cards[index].value >= view.least);
  return new Set(kept.slice(0, view.most || undefined));
}

function histogram(deck) {
  const counts = Array(BINS).fill(0);
  for (const one of deck.cards) counts[Math.min(BINS - 1, Math.floor(one.value * BINS / 10))] += 1;
  const most = Math.max(...counts);
  return made("div", { class: "histogram", "aria-hidden": "true" },
    ...counts.map((count) => made("i", { style: `height: ${count ? 8 + 92 * count / most : 0}%` })));
}

function tools(deck, labels) {
  const least = made("input", {
    type: "range", min: 0, max: 10, step: 0.1, value: view.least, "aria-label": labels.threshold,
    oninput: (event) => { view.least = Number(event.target.value); filter(deck, labels); },
  });
  const most = made("input", {
    type: "number", min: 1, step: 1, value: view.most || "", placeholder: labels.all, "aria-label": labels.most,
    oninput: (event) => { view.most = Math.max(0, Math.floor(Number(event.target.value))); filter(deck, labels); },
  });
  return made("div", { class: "tools" },
    made("div", { class: "threshold" }, histogram(deck), least),
    made("span", { class: "least" }, `${labels.threshold} `, made("b")),
    made("label", {}, `${labels.most} `, most),
    made("output", { class: "shown" }));
}

function cards(deck, tab, labels) {
  return made("ol", { class: "cards", "aria-label": deck.query, onkeydown: walkCards },
    ...deck.cards.map((one, index) => card(one, tab, index, labels)));
}

// Hides what is not left. Nothing is made anew, so a thousand cards do as well.
function filter(deck, labels) {
  const board = element.querySelector(".board");
  const kept = left(deck);
  [...board.querySelectorAll(".cards li")].forEach((one, index) => { one.hidden = !kept.has(index); });
  const [first] = kept;
  board.querySelectorAll("button.card").forEach((one, index) => { one.tabIndex = index === first ? 0 : -1; });
  if (!deck.ended) return;
  board.querySelector(".least b").textContent = view.least.toFixed(1);
  board.querySelectorAll(".histogram i").forEach((one, bin) => {
    one.classList.toggle("below", (bin + 1) * 10 / BINS <= view.least);
  });
  board.querySelector(".shown").textContent = filled(labels.shown, { shown: kept.size, total: deck.cards.length });
}

function walkCards(event) {
  walk(event, [...event.currentTarget.querySelectorAll("li:not([hidden]) button.card")]);
}

function tabs(value) {
  const names = [value.labels.overview, ...value.decks.map((deck) => deck.query)];
  return made("div", { class: "tabs", role: "tablist" }, ...names.map((name, place) => made("button", {
    type: "button", role: "tab", title: name, "aria-selected": String(place - 1 === view.tab),
    onclick: () => { view.tab = place - 1; redraw(); },
  }, name)));
}

function overview(value) {
  const rows = value.decks.map((deck, tab) => {
    const best = deck.cards[0];
    const shown = best && made("button", { type: "button", class: "best", onclick: () => press("choose", { tab, src: best.src }) },
      picture(best.src), made("span", {}, best.name));
    return made("tr", {}, made("th", { scope: "row" }, deck.query), made("td", {}, shown ?? "–"),
      made("td", { class: "number" }, best ? best.score : "–"), made("td", {}, deck.note ?? ""));
  });
  const heads = [value.labels.query, value.labels.best, value.labels.score, ""];
  return made("table", { class: "overview" },
    made("thead", {}, made("tr", {}, ...heads.map((head) => made("th", { scope: "col" }, head)))),
    made("tbody", {}, ...rows));
}

function compared(value) {
  const { labels } = value;
  const [before, after] = value.compared;
  const places = new Map(before.cards.map((one) => [one.key, one.rank]));
  const column = (deck, arrows) => made("section", {},
    made("h3", {}, deck.query, made("small", {}, ` ${deck.note ?? ""}`)),
    made("ol", {}, ...deck.cards.map((one) => made("li", {},
      made("b", {}, `#${one.rank}`),
      picture(one.src),
      made("span", { class: "name", title: one.name }, one.name), made("span", {}, one.score),
      arrows ? moved(places.has(one.key) ? places.get(one.key) - one.rank : null, labels) : null))));
  return made("div", { class: "compared" },
    made("button", { type: "button", class: "close", onclick: () => press("close") }, labels.close),
    made("div", { class: "columns" }, column(before, false), column(after, true)));
}

function earlier(value) {
  if (value.earlier.length < 2) return null;
  return made("nav", { class: "earlier", "aria-label": value.labels.earlier },
    made("span", {}, value.labels.earlier),
    ...value.earlier.map((one, index) => made("span", { class: "chip" },
      made("button", { type: "button", title: one.title, onclick: () => press("open", { index }) }, one.query),
      index > 0 ? made("button", {
        type: "button", class: "against", title: value.labels.compare,
        "aria-label": `${value.labels.compare}: ${one.query}`, onclick: () => press("compare", { index, tab: Math.max(0, view.tab) }),
      }, "⇄") : null)));
}

function redraw() {
  const value = props.value;
  const board = element.querySelector(".board");
  if (!board || !value) return;
  if (value.run !== view.run) Object.assign(view, { run: value.run, tab: value.decks.length > 1 ? -1 : 0, least: 0 });
  const focused = board.contains(document.activeElement) ? document.activeElement : null;
  const kept = focused && { tag: focused.tagName, label: focused.getAttribute("aria-label") };
  const deck = value.decks[Math.min(view.tab, value.decks.length - 1)];
  const main = value.compared ? [compared(value)]
    : view.tab < 0 ? [overview(value)]
    : deck?.cards.length ? [deck.ended ? tools(deck, value.labels) : null, cards(deck, view.tab, value.labels)] : [];
  board.dataset.tab = value.compared ? Math.max(0, view.tab) : view.tab;
  board.replaceChildren(...[
    earlier(value), value.decks.length > 1 && !value.compared ? tabs(value) : null, ...main,
  ].filter(Boolean));
  if (main.length && deck && !value.compared && view.tab >= 0) filter(deck, value.labels);
  if (kept) [...board.querySelectorAll(kept.tag)].find((one) => one.getAttribute("aria-label") === kept.label)?.focus();
}

watch("value", redraw);
redraw();
