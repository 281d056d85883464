// A message and its progress bar. Gradio provides element, props and watch; the other scripts the functions.

const ANNOUNCE_MS = 5000;  // between two messages of one progress that screen readers speak
const line = createElement("p", { class: "text", "aria-hidden": "true" });
const spoken = createElement("p", { class: "visually-hidden", role: "status" });
const filled = createElement("div");
const bar = createElement("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, filled);
let spokenAt = -Infinity;

function speak(text, tone) {
  if (tone === "busy" && performance.now() - spokenAt < ANNOUNCE_MS) return;
  spokenAt = tone === "busy" ? performance.now() : -Infinity;
  if (spoken.textContent !== text) spoken.textContent = text;
}

function redraw() {
  const status = element.querySelector(".status");
  if (!status) return;
  if (line.parentElement !== status) status.replaceChildren(line, bar, spoken);
  const { text, tone = "", percent = null } = props.value ?? {};
  status.className = `status ${tone}`;
  line.textContent = text?.[language()] ?? "";
  bar.hidden = percent === null;
  bar.setAttribute("aria-valuenow", percent ?? 0);
  bar.setAttribute("aria-label", line.textContent);
  filled.style.width = `${percent ?? 0}%`;
  speak(line.textContent, tone);
}

watch("value", redraw);
onLanguage(redraw);
redraw();
