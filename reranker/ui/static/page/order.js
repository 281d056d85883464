// The order of a ranking and its scores, computed from log-odds as the server does.

// 0 to 10, as people see it.
export const scoreOf = (logOdds, temperature) => 10 / (1 + Math.exp(-logOdds / temperature));

// A score as it is read on a card: one decimal.
export const scoreText = (score) => score < 0.1 ? "<0.1" : score.toFixed(1);

// The number that is read on a card. Filters compare this one, so that "2.5" passes "Score >= 2.5".
export const readScore = (score) => score < 0.1 ? 0 : Number(score.toFixed(1));

// The scored pictures of a ranking, best first: of a later stage first, then by log-odds, then by the position of the
// picture. Pictures that were removed from the session are left out, and so they have no rank.
export function orderRows(results, temperature, pictures) {
  const positions = new Map([...pictures.keys()].map((id, index) => [id, index]));
  const rows = [];
  for (const [key, values] of results.scored) {
    const row = readRow(key, values, temperature, pictures);
    if (row) rows.push(Object.assign(row, { position: positions.get(row.id) ?? positions.size + rows.length }));
  }
  rows.sort((one, other) => other.stage - one.stage || other.logOdds - one.logOdds || one.position - other.position);
  const lastStage = rows[0]?.stage ?? 0;
  rows.forEach((row, index) => Object.assign(row, { rank: index + 1, isCoarse: row.stage < lastStage }));
  return rows;
}

function readRow(key, values, temperature, pictures) {
  const [id, logOdds, stage, name, tokens, latencyMs, isCached, words] = values;
  const picture = id === null ? null : pictures.get(id);
  if (picture === undefined) return null;
  const score = scoreOf(logOdds, temperature);
  return {
    key: String(key), id, picture, name, logOdds, stage, score, tokens, latencyMs, words,
    isCached: Boolean(isCached), read: readScore(score), text: scoreText(score),
  };
}

// The pictures of a ranking that have no score: {id, name, reason, canRetry}.
export function failedRows(results, pictures) {
  return [...results.failed]
    .filter(([key, [id]]) => !results.scored.has(key) && (id === null || pictures.has(id)))
    .map(([, [id, reason, canRetry, name]]) => ({ id, name, reason, canRetry: Boolean(canRetry) }));
}
