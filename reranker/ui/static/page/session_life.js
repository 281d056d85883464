// The session of the page: found by the address, made, followed, and forgotten.

import { addressedSession, keepDraft, keepSession, keptDraft } from "./address.js";

const RETRY_MS = 2000;
const TABS = ["session", "library", "labels"];
const ENDED = 404;

// Follow the session of the address. A new one is made without it, and when that one has ended.
export function followSession(store, notice) {
  const known = addressedSession(store.tab);
  restoreDraft(store);
  if (known) store.connect(known); else newSession(store);
  store.subscribe((topics) => {
    if (!topics.has("connection") || store.connection !== "ended") return;
    notice.say("connection_ended");
    newSession(store);
  });
  window.addEventListener("hashchange", () => {
    const id = addressedSession(store.tab);
    if (id && id !== store.session?.id) store.connect(id);
  });
}

async function newSession(store) {
  try {
    const { id } = await store.api.post("sessions");
    keepSession(store.tab, id);
    store.connect(id);
  } catch (error) {
    store.connection = error.status === 401 ? "login" : "lost";
    store.note("connection");
    if (store.connection === "lost") setTimeout(() => newSession(store), RETRY_MS);
  }
}

// Put the draft of before a reload into the boxes, or else the sentences of the latest run.
function restoreDraft(store) {
  const draft = keptDraft(store.tab);
  if (draft) return store.setDraft(draft);
  const end = store.subscribe((topics) => {
    if (!topics.has("session")) return;
    end();
    const latest = [...store.rankings.values()].at(-1);
    if (!latest || store.draft.text) return;
    const sentences = [...store.rankings.values()].filter((each) => each.run === latest.run).map((each) => each.query);
    store.setDraft({ text: sentences.join("\n"), exclude: latest.exclude, example: latest.example?.id ?? "" });
  });
}

function ignoreEnded(error) {
  if (error.status !== ENDED) throw error;
}

// Delete the sessions of all tabs with all that they have, and start another one. The other tabs notice it by themselves.
export async function forgetSession(store, notice) {
  const { id } = store.session, others = TABS.filter((tab) => tab !== store.tab).map(addressedSession).filter(Boolean);
  store.disconnect();  // first, so that its end is no surprise
  try {
    for (const each of [...others, id]) await store.api.delete(`sessions/${each}`).catch(ignoreEnded);
    TABS.forEach((tab) => keepSession(tab, null));
  } catch {
    notice.say("connection_not_forgotten");
    return store.connect(id);
  }
  store.setDraft({ text: "", exclude: "", example: "" });
  keepDraft(store.tab, store.draft);
  notice.say("connection_forgotten");
  newSession(store);
}
