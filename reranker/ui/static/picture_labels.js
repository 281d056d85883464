// The tab “Labels”, which the scripts in page/ draw. Gradio provides element.

const root = (window.gradio_config?.root ?? location.href.split(/[?#]/)[0]).replace(/\/$/, "");
import(`${root}/page/labels_tab.js`).then(({ start }) => start(element.querySelector(".reranker-labels"), root));
