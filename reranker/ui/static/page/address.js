// What the address of the page keeps: the session and the language. Its entry in the browser's history keeps the draft,
// since a page in a frame may not store anything.

const LANGUAGES = ["en", "zh"];

function replaceAddress({ search = location.search, hash = location.hash, state = {} }) {
  history.replaceState({ ...history.state, ...state }, "", `${location.pathname}${search}${hash}`);
}

// The language of the address, or else the first of the browser's that the page has.
export function firstLanguage() {
  const asked = [new URLSearchParams(location.search).get("lang"), ...navigator.languages];
  return asked.map((code) => code?.slice(0, 2).toLowerCase()).find((code) => LANGUAGES.includes(code)) ?? LANGUAGES[0];
}

export function keepLanguage(language) {
  const parameters = new URLSearchParams(location.search);
  parameters.set("lang", language);
  replaceAddress({ search: `?${parameters}` });
}

export const addressedSession = () => new URLSearchParams(location.hash.slice(1)).get("session");

export const keepSession = (id) => replaceAddress({ hash: `#session=${id}` });

// The text in the boxes of the sentence, for a reload. Null if nothing was kept.
export const keptDraft = () => history.state?.draft ?? null;

export const keepDraft = (draft) => replaceAddress({ state: { draft: { ...draft } } });
