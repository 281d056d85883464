// Which pictures of which rankings a download has.

import { filterRows } from "./filtering.js";
import { fillIn } from "./elements.js";
import { markOf } from "./marks.js";
import { orderRows } from "./order.js";

const MIN_DIGITS = 2, MAX_DECIMALS = 6;
const EXTENSION = /\.[0-9A-Za-z]{1,10}$/;
const FORBIDDEN = /[<>:"/\\|?*\u0000-\u001f]/g;  // in names of files; the server replaces more

export function createExportPlan(store, shown) {
  // Rows of an opened file have no picture if it was not loaded; they cannot be downloaded.
  const shownRows = () => shown.entries.map(({ row }) => row).filter(({ id }) => id !== null);
  const picked = () => shownRows().filter(({ id }) => markOf(store.marks, id).pick === 1);

  // The filter, applied to every sentence of the run. Results are not kept, because there can be many.
  async function allRankings() {
    const rankings = [];
    for (const { id, temperature } of shown.run) {
      const rows = orderRows(await resultsOf(id), temperature, store.pictures);
      const entries = filterRows(rows, shown.filter, store.marks, shown.openGroups);
      if (entries.length) rankings.push({ id, pictures: entries.map(({ row }) => row.id).filter((picture) => picture !== null) });
    }
    return rankings;
  }

  async function resultsOf(id) {
    const results = store.results.get(id);
    if (results?.isLoaded) return results;
    const { scored } = await store.api.get(store.path(`rankings/${id}`));
    return { scored: new Map(scored.map((row) => [row[0], row])) };
  }

  return {
    // scope: "shown", "picked" (of those that are shown), or "all" sentences.
    async rankings(scope) {
      if (scope === "all") return allRankings();
      return [{ id: shown.id, pictures: (scope === "picked" ? picked() : shownRows()).map((row) => row.id) }];
    },
    counts: () => ({ shown: shownRows().length, picked: picked().length, all: shown.run.length }),
    // The name of the first picture in a ZIP. The server makes it in the same way.
    exampleName(scope, template) {
      const rows = scope === "picked" ? picked() : shownRows();
      if (!rows.length) return "";
      const [{ name, rank, score }] = rows;
      const extension = name.match(EXTENSION)?.[0] ?? "";
      const digits = Math.max(MIN_DIGITS, ...rows.map((row) => String(row.rank).length));
      const values = {
        rank: String(rank).padStart(digits, "0"), score: distinctText(score, rows.find((row) => row.score !== score)?.score),
        name, stem: name.slice(0, name.length - extension.length), query: shown.summary.query || shown.summary.example?.name,
      };
      const filled = fillIn(template, values).replace(FORBIDDEN, "_");
      return filled.toLowerCase().endsWith(extension.toLowerCase()) ? filled : filled + extension;
    },
  };
}

// A score with as few decimals, but at least one, as make it look different from the next one.
function distinctText(score, next) {
  let decimals = 1;
  while (next !== undefined && decimals < MAX_DECIMALS && score.toFixed(decimals) === next.toFixed(decimals)) decimals += 1;
  return score.toFixed(decimals);
}
