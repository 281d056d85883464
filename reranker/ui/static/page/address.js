// What the address of the page keeps: the session of each tab, and the language. Its entry in the browser's history keeps
// the drafts, since a page in a frame may not store anything. tab: "session" of “Rank”,
// "library" of “Library”, "labels" of “Labels”.

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

export const addressedSession = (tab) => new URLSearchParams(location.hash.slice(1)).get(tab);

// id: null if there is none any more.
export function keepSession(tab, id) {
  const parameters = new URLSearchParams(location.hash.slice(1));
  if (id === null) parameters.delete(tab); else parameters.set(tab, id);
  replaceAddress({ hash: `#${parameters}` });
}

// The text in the boxes of the sentence, for a reload. Null if nothing was kept.
export const keptDraft = (tab) => history.state?.drafts?.[tab] ?? null;

export const keepDraft = (tab, draft) => replaceAddress({ state: { drafts: { ...history.state?.drafts, [tab]: { ...draft } } } });
