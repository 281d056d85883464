// Which pictures of a ranking are shown, and in which order.

import { markOf } from "./marks.js";

// marks: "all", "picked", "kept" (not rejected), "unmarked", or "rated1" to "rated5" (at least so many stars).
// sort: "score", "name" or "taken".
export const NO_FILTER = Object.freeze({
  min: 0, max: 10, top: null, name: "", marks: "all", sort: "score", isGrouped: false,
});

// Whether the filter can hide pictures.
export const isNarrow = ({ min, max, top, name, marks }) =>
  min > 0 || max < 10 || top !== null || name.trim() !== "" || marks !== "all";

// The entries to show. An entry is {row, similar, isOpen, isMember}: similar counts the near-duplicates below a picture,
// which follow it if the group is open. rows: best first. openGroups: a set of group numbers.
export function filterRows(rows, filter, marks, openGroups) {
  const name = filter.name.trim().toLowerCase();
  const passing = rows.filter((row) => row.read >= filter.min && row.read <= filter.max
    && (!name || row.name.toLowerCase().includes(name)) && passesMarks(markOf(marks, row.id), filter.marks));
  const groups = filter.isGrouped ? groupSimilar(passing) : passing.map((row) => [row]);
  const best = filter.top === null ? groups : groups.slice(0, filter.top);
  return sortGroups(best, filter.sort).flatMap((group) => entriesOf(group, openGroups));
}

function passesMarks(mark, choice) {
  if (choice === "all") return true;
  if (choice === "picked") return mark.pick === 1;
  if (choice === "kept") return mark.pick !== -1;
  if (choice === "unmarked") return mark.pick === 0 && mark.rating === 0;
  return mark.rating >= Number(choice.slice("rated".length));
}

// Near-duplicates in one list each, the best first; other pictures alone.
function groupSimilar(rows) {
  const groups = [], byNumber = new Map();
  for (const row of rows) {
    const number = row.picture?.alike ?? null;
    if (number !== null && byNumber.has(number)) byNumber.get(number).push(row);
    else groups.push([row]);
    if (number !== null && !byNumber.has(number)) byNumber.set(number, groups.at(-1));
  }
  return groups;
}

const collator = new Intl.Collator(undefined, { numeric: true });
const LAST = "\uffff";  // pictures without a date come after the others
const comparers = {
  name: (one, other) => collator.compare(one.name, other.name),
  taken: (one, other) => collator.compare(one.picture?.taken ?? LAST, other.picture?.taken ?? LAST),
};

function sortGroups(groups, sort) {
  const compare = comparers[sort];
  return compare ? [...groups].sort(([one], [other]) => compare(one, other) || one.rank - other.rank) : groups;
}

function entriesOf([best, ...others], openGroups) {
  const isOpen = others.length > 0 && openGroups.has(best.picture.alike);
  const first = { row: best, similar: others.length, isOpen, isMember: false };
  return isOpen ? [first, ...others.map((row) => ({ row, similar: 0, isOpen: false, isMember: true }))] : [first];
}
