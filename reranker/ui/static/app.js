// The tab “Rank”, which the scripts in page/ draw. Gradio provides element.

const root = (window.gradio_config?.root ?? location.href.split(/[?#]/)[0]).replace(/\/$/, "");
import(`${root}/page/app.js`).then(({ start }) => start(element.querySelector(".reranker-app"), root));
