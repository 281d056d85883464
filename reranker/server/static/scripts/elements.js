// What the scripts of the page have in common. Texts from outside are set as text, never as HTML.

function made(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

// A picture by its path on the server; a grey field where there is none.
function picture(path, attributes = {}) {
  if (!path) return made("span", { class: "nothing" });
  const src = `${window.gradio_config?.root ?? ""}/gradio_api/file=${path.split("/").map(encodeURIComponent).join("/")}`;
  return made("img", { src, alt: "", loading: "lazy", decoding: "async", ...attributes });
}

function bar(value) {
  return made("span", { class: "score", "aria-hidden": "true" }, made("i", { style: `width: ${10 * value}%` }));
}

// Arrows, Home and End lead from one of these buttons to another in their grid; one alone is a stop of the Tab key.
function walk(event, all) {
  const at = all.indexOf(document.activeElement);
  const below = all.findIndex((one) => one.parentElement.offsetTop > all[0].parentElement.offsetTop);
  const columns = below < 0 ? all.length : below;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: all.length - 1 - at };
  if (at < 0 || !(event.key in steps)) return;
  const next = all[Math.min(all.length - 1, Math.max(0, at + steps[event.key]))];
  event.preventDefault();
  all[at].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
