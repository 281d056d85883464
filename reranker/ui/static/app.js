// The tab “Rank”, which the scripts in page/ draw. Gradio provides element.

const root = (window.gradio_config?.root ?? location.href.split(/[?#]/)[0]).replace(/\/$/, "");
const header = document.querySelector(".reranker-header");
const tellLanguage = (language) => header.parentElement.dispatchEvent(new CustomEvent("languagechosen", { detail: language, bubbles: true }));
import(`${root}/page/app.js`).then(({ start }) =>
  start(element.querySelector(".reranker-app"), root, { header, onLanguage: tellLanguage }));
