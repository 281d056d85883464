// The grid of pictures on the tab “Evaluate”. Gradio provides element, props, trigger and watch; the other scripts the
// functions.

let session = null;
const grid = createLabelGrid((picture) => createThumbnail(session, picture.key));
const add = createElement("button", {
  type: "button", class: "add", onclick: () => trigger("click", { relevant: grid.markedKeys() }),
});
const likely = createElement("button", {
  type: "button", class: "likely", onclick: () => trigger(props.value.is_ordering ? "stop" : "submit"),
});
const original = createElement("button", { type: "button", class: "original", onclick: () => { order = null; likely.focus(); redraw(); } });
grid.tools.append(add, likely, original);
let order = null;  // ids of pictures, most relevant first; null is the order of the session
let lastSerial = null;

function ordered(pictures) {
  if (!order) return pictures;
  const places = new Map(order.map((id, place) => [id, place]));
  const place = ([id]) => places.get(id) ?? order.length;
  return [...pictures].sort((first, second) => place(first) - place(second));
}

function take(value) {
  if (value.serial === lastSerial) return;
  lastSerial = value.serial;
  if (value.order || value.relevant) order = value.order;
}

function redraw() {
  const value = props.value;
  const parent = element.querySelector(".label-grid-parent");
  if (!parent || !value?.pictures) return;
  if (parent.firstChild !== grid.node) parent.replaceChildren(grid.node);
  const isNew = value.serial !== lastSerial, labels = value.labels[language()];
  take(value);
  session = value.session;
  grid.show(ordered(value.pictures).map(([key, name]) => ({ key, name })), labels);
  if (isNew && value.relevant) grid.mark(value.relevant);
  add.textContent = labels.add;
  likely.textContent = value.is_ordering ? labels.stop : labels.first;
  likely.title = labels.about;
  original.textContent = labels.original;
  original.hidden = !order || value.is_ordering;
}

// The scripts of the tab “Rank” write here which session there is and how many pictures it has, often the same again.
const app = document.querySelector(".reranker-app");
const shownNow = () => `${app.dataset.session} ${app.dataset.count}`;
let shownBefore = app && shownNow();
if (app) new MutationObserver(() => {
  if (shownNow() === shownBefore) return;
  shownBefore = shownNow();
  if (element.offsetParent) trigger("input");
}).observe(app, { attributeFilter: ["data-session", "data-count"] });

watch("value", redraw);
onLanguage(redraw);
redraw();
