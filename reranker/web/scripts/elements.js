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
