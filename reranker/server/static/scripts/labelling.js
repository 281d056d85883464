// The page of `label`: the board of the folder's pictures, a sentence, and the sets that are saved in the file.
// made, walk and filled come from elements.js, markingBoard and setLines from marking.js.

const view = { language: null, pictures: [], order: [], labels: {}, sets: [], opened: null, ordering: null };

const board = markingBoard((one) =>
  made("img", { src: `thumbnails/${one.place}`, alt: "", loading: "lazy", decoding: "async" }));
const query = made("input", { type: "text", id: "query", autocomplete: "off", onkeydown: (event) => { if (event.key === "Enter" && !event.isComposing) save(); } });
const status = made("p", { class: "said", role: "status" });
const saved = made("div", { class: "sets" });
const buttons = {
  save: made("button", { type: "button", class: "primary", onclick: save }),
  leave: made("button", { type: "button", onclick: () => begin() }),
  order: made("button", { type: "button", onclick: order }),
};
const words = { title: made("h1"), lead: made("p", { class: "lead" }), query: made("label", { for: "query" }), sets: made("h2") };
const languages = made("nav", { class: "languages" });

function say(said) {
  status.className = `said ${said.tone}`;
  status.textContent = said.text;
}

async function asked(path, question) {
  const address = `${path}?lang=${view.language}`;
  const how = question && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question) };
  try {
    const answer = await fetch(view.language ? address : path, how);
    if (answer.ok) return answer;
  } catch {
    // as if it had answered that something is wrong
  }
  say({ text: view.labels.gone ?? "", tone: "trouble" });
  return null;
}

const place = () => view.opened === null ? {} : { line: view.sets[view.opened].line, was: view.sets[view.opened].query };

async function save() {
  if (buttons.save.disabled) return;
  buttons.save.disabled = true;
  await answered("save", { query: query.value, marked: board.marked(), ...place() }, () => begin());
  buttons.save.disabled = false;
}

async function remove(index) {
  const { line, query: was } = view.sets[index];
  if (!confirm(filled(view.labels.sure, { query: was }))) return;
  const shifted = view.opened === null || index > view.opened ? view.opened : view.opened - 1;
  await answered("remove", { line, was }, () => { if (index === view.opened) begin(); else view.opened = shifted; });
}

async function answered(path, question, then) {
  const answer = await asked(path, question);
  if (!answer) return;
  const { sets, said, is_done } = await answer.json();
  view.sets = sets;
  if (is_done) then();
  say(said);
  draw();
}

// For the next sentence.
function begin() {
  view.opened = null;
  query.value = "";
  board.mark([]);
  put(inOrder());
  scrollTo(0, 0);
  query.focus();
  draw();
}

function open(index) {
  view.opened = index;
  query.value = view.sets[index].query;
  board.mark(view.sets[index].marked);
  draw();
}

// The model goes over all of them; another press ends it.
async function order() {
  if (view.ordering) return view.ordering.abort();
  const ordering = view.ordering = new AbortController();
  draw();
  say({ text: view.labels.loading, tone: "busy" });
  try {
    const answer = await fetch(`order?lang=${view.language}`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query: query.value }), signal: ordering.signal,
    });
    for await (const line of lines(answer.body)) {
      if (line.done) say({ text: filled(view.labels.ordering, line), tone: "busy" });
      if (line.order) put(line.order);
      if (line.order) say({ text: view.labels.ordered, tone: "done" });
      if (line.said) say(line.said);
    }
  } catch {
    say({ text: ordering.signal.aborted ? view.labels.stopped : view.labels.gone, tone: ordering.signal.aborted ? "idle" : "trouble" });
  }
  view.ordering = null;
  draw();
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n");
    text = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

const inOrder = () => view.pictures.map((_, index) => index);

// The pictures at these places, in this order.
function put(places) {
  view.order = places;
  board.put(places.map((at) => ({ key: view.pictures[at], name: view.pictures[at], place: at })), view.labels);
}

function draw() {
  const { labels } = view;
  document.title = labels.title;
  for (const [name, node] of Object.entries(words)) node.textContent = labels[name];
  query.placeholder = labels.hint;
  buttons.save.textContent = view.opened === null ? labels.save : labels.change;
  buttons.leave.textContent = labels.leave;
  buttons.leave.hidden = view.opened === null;
  buttons.order.textContent = view.ordering ? labels.order_stop : labels.order;
  buttons.order.title = labels.order_about;
  saved.replaceChildren(setLines(view.sets, open, remove, view.opened));
}

async function speak(language) {
  view.language = language;
  const answer = await asked("board");
  if (!answer) return;
  const given = await answer.json();
  Object.assign(view, { language: given.language, labels: given.labels, sets: given.sets, pictures: given.pictures });
  document.documentElement.lang = given.language;
  languages.replaceChildren(...Object.entries(given.languages).map(([code, name]) =>
    made("button", { type: "button", lang: code, "aria-pressed": String(code === given.language), onclick: () => speak(code) }, name)));
  put(view.order.length ? view.order : inOrder());
  say(given.said);
  draw();
}

document.querySelector("main").append(
  made("header", {}, made("div", {}, words.title, words.lead), languages),
  made("div", { class: "top" },
    made("div", { class: "asked" }, words.query, query, buttons.save, buttons.leave, buttons.order), status),
  made("div", { class: "desk" }, board.node, made("aside", {}, words.sets, saved)));
speak(new URLSearchParams(location.search).get("lang"));
