// The rows of a ranking in their order, and which of them the filter shows. Nothing here touches the page.

// The score that people see: 10 * sigmoid(log-odds / T).
export const shownScore = (logOdds, temperature) => 10 / (1 + Math.exp(-logOdds / temperature));

// One decimal; a small score is not zero.
export const scoreText = (score) => (score > 0 && score < 0.05 ? "<0.1" : score.toFixed(1));

export const NO_FILTER = Object.freeze({ min: 0, max: 10, top: 0, name: "", marks: "all", sort: "score", group: false });

export const isFiltered = (filter) => Object.entries(NO_FILTER).some(([name, value]) => !["sort", "group"].includes(name) && filter[name] !== value);

// The scored pictures of a ranking, best first: later stages, then higher log-odds, then earlier pictures. Pictures that
// were removed are left out.
export function orderedRows(store, id) {
  const results = store.results.get(id), summary = store.rankings.get(id);
  if (!results || !summary) return [];
  const positions = new Map([...store.pictures.keys()].map((key, index) => [key, index]));
  const rows = [...results.scored]
    .filter(([, row]) => row[0] === null || positions.has(row[0]))
    .map(([key, [picture, logOdds, stage, name, tokens, latency, cached, words]], index) => ({
      key, picture, logOdds, stage, tokens, latency, cached, words,
      name: store.pictures.get(picture)?.name ?? name, score: shownScore(logOdds, summary.temperature), position: positions.get(picture) ?? index,
    }));
  rows.sort((a, b) => b.stage - a.stage || b.logOdds - a.logOdds || a.position - b.position);
  rows.forEach((row, index) => { row.rank = index + 1; });
  return rows;
}

// The failures of a ranking: [picture, text, can be retried, name].
export function failedRows(store, id) {
  const failed = store.results.get(id)?.failed ?? new Map();
  return [...failed.values()].filter(([picture]) => picture === null || store.pictures.has(picture));
}

const MARKS = {
  all: () => true,
  picked: (mark) => mark.pick === 1,
  not_rejected: (mark) => mark.pick !== -1,
  unmarked: (mark) => !mark.pick && !mark.rating,
  ...Object.fromEntries([1, 2, 3, 4, 5].map((stars) => [`rated_${stars}`, (mark) => mark.rating >= stars])),
};
export const MARK_FILTERS = Object.keys(MARKS);
const NO_MARK = { pick: 0, rating: 0 };

const SORTS = {
  score: (a, b) => a.rank - b.rank,
  name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
  date: (a, b) => (a.taken ?? "9").localeCompare(b.taken ?? "9") || a.rank - b.rank,
};
export const SORT_ORDERS = Object.keys(SORTS);

// The rows that pass the filter, in the order that is chosen. expanded: numbers of groups whose pictures are all shown.
export function visibleRows(rows, filter, { marks, pictures }, expanded = new Set()) {
  const wanted = filter.name.trim().toLowerCase();
  let shown = rows.filter((row) => row.score >= filter.min && row.score <= filter.max
    && row.name.toLowerCase().includes(wanted) && MARKS[filter.marks](marks.get(row.picture) ?? NO_MARK));
  if (filter.top) shown = shown.slice(0, filter.top);
  if (filter.group) shown = grouped(shown, pictures, expanded);
  for (const row of shown) row.taken = pictures.get(row.picture)?.taken;
  return filter.sort === "score" ? shown : [...shown].sort(SORTS[filter.sort]);
}

// Of pictures that are nearly the same, the best one stands for all, which are counted.
function grouped(rows, pictures, expanded) {
  const counts = new Map(), shown = [];
  for (const row of rows) {
    const group = pictures.get(row.picture)?.alike ?? null;
    row.group = group;
    row.others = 0;
    if (group === null) { shown.push(row); continue; }
    const first = counts.get(group);
    if (!first) { counts.set(group, row); shown.push(row); }
    else {
      first.others += 1;
      if (expanded.has(group)) shown.push(row);
    }
  }
  return shown;
}

export function histogram(rows, bins) {
  const counts = Array(bins).fill(0);
  for (const row of rows) counts[Math.min(bins - 1, Math.floor(row.score * bins / 10))] += 1;
  return counts;
}
