// What the tab “Rank” asks the server to rank, what keeps it from that, and what its bar says before a run.

import { exampleOf } from "./example.js";
import { idleText } from "./run_status.js";
import { lengthProblem, linesOf } from "./sentences.js";

// The request of a run; see run.js and run_bar.js.
export function createRankRequest(store, uploads) {
  const { t } = store.texts;

  function problem() {
    const example = exampleOf(store);
    if (!linesOf(store.draft.text).length && !example) return "query_empty";
    if (lengthProblem(store)) return "too_long";
    if (store.pictures.size - (example ? 1 : 0) >= store.limits.min_pictures) return null;
    return uploads.isActive ? "run_wait_for_pictures" : "run_few_pictures";
  }

  async function send() {
    const { text, exclude } = store.draft;
    const wanted = { queries: linesOf(text), exclude: exclude.trim(), example: exampleOf(store)?.id ?? "", pictures: null };
    return (await store.api.post(store.path("rank"), wanted)).rankings;
  }

  return {
    hasEnded: (id) => store.rankings.has(id) && store.rankings.get(id).state !== "running",
    problem, send,
    sentenceOf: (key) => key === "too_long" ? lengthProblem(store) : t(key, { least: store.limits?.min_pictures ?? 0 }),
    ids: { start: "rank", stop: "stop" },
    step: "3",
    title: "run_title",
    get buttonText() {
      const sentences = linesOf(store.draft.text).length;
      return sentences > 1 ? t("run_rank_sentences", { count: sentences }) : t("run_rank");
    },
    get isReady() { return Boolean(store.limits) && store.pictures.size >= store.limits.min_pictures; },
    get idleText() { return idleText(store); },
  };
}
