// The labelled queries on the tab “Evaluate”, which can be saved and opened as a file. Gradio provides element, props,
// trigger and watch; the other scripts the functions.

const MAX_BYTES = 8_000_000;  // the server refuses what is larger
const title = createElement("h2");
const list = createElement("div");
const save = createElement("button", { type: "button", class: "save", onclick: () => {
  download(props.value.session, "labels.jsonl");
  trigger("click", { action: "save" });
} });
const open = createElement("button", { type: "button", class: "open-file", onclick: () => file.click() });
const file = createElement("input", { type: "file", accept: ".jsonl", hidden: true, onchange: () => {
  for (const each of file.files) send(each);
  file.value = "";
} });

function send(chosen) {
  if (chosen.size > MAX_BYTES) return trigger("upload", { name: chosen.name });
  const reader = new FileReader();
  reader.addEventListener("load", () => trigger("upload", { name: chosen.name, data: reader.result }));
  reader.readAsDataURL(chosen);
}

function redraw() {
  const value = props.value;
  const part = element.querySelector(".labelled-queries");
  if (!part || !value?.queries) return;
  if (title.parentElement !== part) part.replaceChildren(title, list, createElement("div", { class: "files" }, save, open, file));
  const queries = value.queries[language()], labels = value.labels[language()];
  const act = (action) => (index) => trigger("click", { action, query: queries[index].query });
  title.textContent = queries.length ? `${labels.title} (${queries.length})` : labels.title;
  const selector = document.activeElement?.classList.contains("remove") ? "button.remove" : "button.open";
  keepingFocus(list, selector, () => list.replaceChildren(createQueryList(queries, act("open"), act("remove"))));
  save.textContent = labels.save;
  save.disabled = !queries.length;
  open.textContent = labels.open;
  open.disabled = !value.session;
  file.setAttribute("aria-label", labels.open);
}

watch("value", redraw);
onLanguage(redraw);
redraw();
