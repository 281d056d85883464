// The status line of the bar: how far a run is, or what is missing for one. All in one line of text.

import { exampleOf } from "./example.js";
import { linesOf } from "./sentences.js";

const FAST = 100;  // pictures a second, from which decimals say nothing
const WORKERS_WITH_RATES = 4;
const MINUTE_S = 60, HOUR_S = 3600;

// idle: what is said without a run.
export function statusText(store, run, idle) {
  const { t } = store.texts;
  if (store.connection === "connecting") return t("connection_connecting");
  if (store.connection !== "open") return t("connection_lost_short");
  if (store.job) return jobText(store.job, t);
  if (run.isStarting) return t("run_starting");
  return idle;
}

function jobText(job, t) {
  if (job.stopping) return t("run_stopping", job);
  if (job.loading != null) return t("run_loading", { percent: Math.round(100 * job.loading) });
  if (job.preparing) return t("tagging_preparing");
  const parts = [  // what matters most comes first, as a narrow window cuts the end
    t("run_done_of", { done: job.done, total: job.total }),
    job.place ? t("run_place", { count: job.place }) : "",
    job.coarse ? t("run_coarse", { count: job.coarse }) : "",
    job.left_s != null ? leftText(job.left_s, t) : "",
    job.rate ? t("run_rate", { rate: rateText(job.rate) }) : "",
    workersText(job.workers ?? [], t),
    job.memory ?? "",
    job.name,
  ];
  return parts.filter(Boolean).join(" · ");
}

function rateText(rate) { return rate < FAST ? rate.toFixed(1) : Math.round(rate); }

// How many workers there are, and how fast each is, if these are few.
function workersText(rates, t) {
  if (!rates.length) return "";
  if (rates.length > WORKERS_WITH_RATES || !rates.some(Boolean)) return t("run_workers_many", { count: rates.length });
  return t("run_workers", { count: rates.length, rates: rates.map(rateText).join(" + ") });
}

function leftText(seconds, t) {
  if (seconds < MINUTE_S) return t("run_left_seconds", { count: Math.max(1, Math.round(seconds)) });
  if (seconds < HOUR_S) return t("run_left_minutes", { count: Math.round(seconds / MINUTE_S) });
  const minutes = Math.round(seconds / MINUTE_S);
  return t("run_left_hours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

// Without a run: what is missing for the first one, or in what the boxes differ from the shown ranking.
export function idleText(store) {
  const { t } = store.texts;
  const example = exampleOf(store);
  const sentences = linesOf(store.draft.text).length, pictures = store.pictures.size - (example ? 1 : 0);
  const shown = store.rankings.get(store.view.ranking);
  if (shown) return differenceText(store, shown, t);
  if (!store.limits || pictures < store.limits.min_pictures) return t("run_add_pictures", { count: store.limits?.min_pictures ?? 2 });
  if (!sentences && !example) return t("run_write_sentence");
  const count = t("run_pictures", { count: pictures });
  return sentences > 1 ? t("run_ready_sentences", { pictures: count, count: sentences }) : t("run_ready", { pictures: count });
}

function differenceText(store, shown, t) {
  const lines = linesOf(store.draft.text);
  if ((lines.length || exampleOf(store)) && !isDraftOf(store, shown.run)) {
    const runs = new Set([...store.rankings.values()].map((each) => each.run));
    return t([...runs].some((each) => isDraftOf(store, each)) ? "run_other_shown" : "run_not_ranked");
  }
  const missing = missingCount(store, shown);
  return missing ? t("run_new_pictures", { count: missing }) : "";
}

// Whether the boxes have the sentences and the example of a run.
function isDraftOf(store, run) {
  const ranked = [...store.rankings.values()].filter((each) => each.run === run);
  const example = exampleOf(store)?.id ?? null, exclude = store.draft.exclude.trim();
  const lines = linesOf(store.draft.text);
  if (!lines.length && example) lines.push("");
  const isOfDraft = (each) => lines.includes(each.query) && each.exclude === exclude && (each.example?.id ?? null) === example;
  return ranked.length === lines.length && ranked.every(isOfDraft);
}

// How many pictures came after the shown ranking.
function missingCount(store, shown) {
  const results = store.results.get(shown.id);
  if (!results?.isLoaded || shown.saved_from) return 0;
  const isRanked = (id) => id === shown.example?.id || results.scored.has(id) || results.failed.has(id);
  return [...store.pictures.keys()].filter((id) => !isRanked(id)).length;
}
