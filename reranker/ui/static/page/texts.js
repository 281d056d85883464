// The texts of the page in both languages. The server sends them as {key: {en, zh}}.

import { fillIn } from "./elements.js";

const LOCALES = { en: "en", zh: "zh-CN" };

export function createTranslator(texts, language) {
  const translator = {
    language,
    get locale() { return LOCALES[translator.language]; },
    // The text of a key in the language of the page. With a count of one, the key `..._one` is used if there is one.
    t(key, values = {}) {
      const chosen = values.count === 1 && `${key}_one` in texts ? `${key}_one` : key;
      return fillIn(texts[chosen][translator.language], written(values));
    },
    // The text of the server for people, {en, zh}.
    text: (value) => value?.[translator.language] ?? "",
  };

  // Numbers are written as people read them: 1,000.
  function written(values) {
    const entries = Object.entries(values);
    return Object.fromEntries(entries.map(([name, value]) =>
      [name, typeof value === "number" ? value.toLocaleString(translator.locale) : value]));
  }

  return translator;
}
