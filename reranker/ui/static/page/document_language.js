// The header, which is part of the tab “Rank”, tells the language to the document; the other tabs follow it.

export function followLanguage(store) {
  const follow = () => store.setLanguage(document.documentElement.lang.startsWith("zh") ? "zh" : "en");
  new MutationObserver(follow).observe(document.documentElement, { attributeFilter: ["lang"] });
}
