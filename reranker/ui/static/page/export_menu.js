// Download exactly what is shown: pictures, tables, a contact sheet; of one sentence or of all of a run.

import { createElement } from "./elements.js";
import { scoreText } from "./ranking_rows.js";

const FORMATS = ["zip", "csv", "json", "html"];
const TEMPLATE = "{rank}_{score}_{name}";

export function createExportMenu(store, shownRows) {
  const { t } = store.texts;
  const opener = createElement("button", { type: "button", class: "open-export", "aria-haspopup": "true", "aria-expanded": "false", onclick: () => setOpen(popup.hidden) });
  const scope = { shown: createElement("span"), picked: createElement("span"), all: createElement("span") };
  const radios = Object.entries(scope).map(([value, text]) => createElement("label", {}, createElement("input", { type: "radio", name: "export-scope", value, checked: value === "shown" }), " ", text));
  const template = createElement("input", { type: "text", value: TEMPLATE, oninput: translate, spellcheck: "false" });
  const templateLabel = createElement("span"), example = createElement("code");
  const formats = FORMATS.map((format) => createElement("button", { type: "button", "data-format": format, class: format === "zip" ? "primary" : "", onclick: () => download(format) }));
  const said = createElement("p", { class: "note", role: "status" });
  const popup = createElement("div", { class: "popup export", hidden: true }, createElement("div", { class: "scope" }, ...radios),
    createElement("label", { class: "template" }, templateLabel, template, example), createElement("div", { class: "formats" }, ...formats), said);
  const node = createElement("div", { class: "menu", hidden: true, onkeydown: (event) => { if (event.key === "Escape" && !popup.hidden) { event.stopPropagation(); setOpen(false); opener.focus(); } } }, opener, popup);
  let summary = null, visible = [];
  document.addEventListener("click", (event) => { if (!node.contains(event.target)) setOpen(false); });

  function setOpen(isOpen) {
    popup.hidden = !isOpen;
    opener.setAttribute("aria-expanded", String(isOpen));
    said.textContent = "";
    if (isOpen) translate();
  }

  const chosenScope = () => radios.find((label) => label.firstChild.checked)?.firstChild.value ?? "shown";
  const isPicked = (row) => store.marks.get(row.picture)?.pick === 1;
  const ofRun = () => [...store.rankings.values()].filter((ranking) => ranking.run === summary?.run);

  function rankings() {
    const keys = (rows) => rows.map((row) => row.key);
    if (chosenScope() === "all") return ofRun().map(({ id }) => ({ id, pictures: null }));
    return [{ id: summary.id, pictures: keys(chosenScope() === "picked" ? shownRows().rows.filter(isPicked) : visible) }];
  }

  async function download(format) {
    said.textContent = t("export_making");
    for (const button of formats) button.disabled = true;
    try {
      const file = await store.api.post(store.path("exports"), { format, rankings: rankings(), template: template.value });
      const link = createElement("a", { href: store.api.urlOf(file.url), download: file.name });
      link.click();
      said.textContent = t("export_made", { name: file.name, size: sizeText(file.bytes) });
    } catch (error) {
      said.textContent = error.message;
    }
    translate();
  }

  const sizeText = (bytes) => bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

  function translate() {
    if (!summary) return;
    const picked = shownRows().rows.filter(isPicked).length, count = ofRun().length;
    scope.shown.textContent = t("export_shown", { count: visible.length });
    scope.picked.textContent = t("export_picked", { count: picked });
    scope.all.textContent = t("export_all", { count });
    radios[1].firstChild.disabled = !picked;
    radios[2].hidden = count < 2;
    if (radios[1].firstChild.checked && !picked) radios[0].firstChild.checked = true;
    templateLabel.textContent = `${t("export_template")} `;
    const [first] = visible;
    example.textContent = first ? template.value.replace("{rank}", String(first.rank).padStart(2, "0")).replace("{score}", scoreText(first.score))
      .replace("{name}", first.name).replace("{stem}", first.name.replace(/\.[^.]*$/, "")).replace("{query}", summary.query) : "";
    for (const button of formats) {
      button.textContent = t(`export_${button.dataset.format}`);
      button.disabled = chosenScope() !== "all" && !visible.length;
    }
  }

  return {
    node,
    show(shown, rows) {
      [summary, visible] = [shown, rows];
      node.hidden = !shown || shown.state === "running" || !shownRows().rows.length;
      opener.textContent = `↓ ${t("export_open", { count: rows.length })}`;
      if (!popup.hidden) translate();
    },
  };
}
