// The tab “Library”, which the scripts in page/ draw. Gradio provides element.

const root = (window.gradio_config?.root ?? location.href.split(/[?#]/)[0]).replace(/\/$/, "");
import(`${root}/page/library_tab.js`).then(({ start }) => start(element.querySelector(".reranker-library"), root));
