// Which sentence, model and pictures the shown ranking is for.

import { createElement } from "./elements.js";

export function createHeadline(store) {
  const { t, text } = store.texts;
  const title = createElement("h2", { id: "results-title" });
  const facts = createElement("p", { class: "muted" });
  const verdict = createElement("p", { class: "verdict", hidden: true });
  const node = createElement("div", { class: "headline" }, title, facts, verdict);

  function show(summary, rows) {
    title.textContent = summary ? t("quoted", { text: summary.query }) : t("results_title");
    if (summary?.exclude) title.append(createElement("span", { class: "excluded" }, ` ${t("results_not", { text: summary.exclude })}`));
    facts.textContent = summary ? factsOf(summary, rows).filter(Boolean).join(" · ") : t("results_hint");
    const said = summary ? verdictOf(summary) : "";
    verdict.hidden = !said;
    verdict.textContent = said;
    verdict.classList.toggle("trouble", Boolean(summary?.error));
  }

  function factsOf(summary, rows) {
    const { total, scored, failed, reused, seconds } = summary;
    return [
      summary.saved_from && t("results_saved_from", { name: summary.saved_from }),
      t("results_count", { count: summary.state === "running" ? `${scored + failed}/${total}` : rows.length }),
      summary.state !== "running" && failed && t("results_failed", { count: failed }),
      reused && t("results_reused", { count: reused }),
      summary.state !== "running" && seconds && t("results_seconds", { seconds: seconds.toFixed(1) }),
      [summary.model, summary.precision].filter(Boolean).join(" "),
    ];
  }

  // A run that was stopped says nothing about what it has not seen.
  function verdictOf(summary) {
    if (summary.error) return text(summary.error);
    if (summary.state === "stopped") return t("results_stopped", { scored: summary.scored, total: summary.total });
    if (summary.none_fits) return t("results_none_fits", { score: summary.threshold });
    if (summary.state === "done" && !summary.scored) return t("results_none_scored");
    return "";
  }

  return { node, show };
}
