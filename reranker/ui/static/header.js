// The header of the page, which the scripts in page/ draw. Gradio provides element and trigger.

element.addEventListener("languagechosen", (event) => trigger("click", { language: event.detail }));
