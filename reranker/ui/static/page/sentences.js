// Sentences from the text box and from files: one a line, or a column of a CSV table.

const COLUMNS = ["query", "queries", "sentence", "sentences", "brief", "briefs", "句子", "查询", "查询句"];
const SEPARATORS = [",", ";", "\t"];

// The sentences of a text, one a line. Blank lines count as nothing.
export const linesOf = (text) => text.split(/\r\n|\r|\n/).map((line) => line.trim()).filter(Boolean);

// What is too long in the boxes of the page, as a sentence; empty if nothing is.
export function lengthProblem({ draft, limits, texts }) {
  if (!limits) return "";
  const lines = linesOf(draft.text);
  if (lines.length > limits.max_queries) return texts.t("query_too_many", { count: lines.length, max: limits.max_queries });
  const index = lines.findIndex((line) => [...line].length > limits.max_query_length);
  const isLong = index >= 0 || [...draft.exclude].length > limits.max_query_length;
  if (!isLong) return "";
  if (index < 0) return texts.t("query_exclude_too_long", { max: limits.max_query_length });
  const key = lines.length > 1 ? "query_line_too_long" : "query_too_long";
  return texts.t(key, { number: index + 1, length: [...lines[index]].length, max: limits.max_query_length });
}

// The sentences of a file of text or CSV.
export async function sentencesOfFile(file) {
  const text = decode(await file.arrayBuffer());
  return /\.csv$/i.test(file.name) ? columnOf(parseCsv(text)) : linesOf(text);
}

// Spreadsheets write UTF-8, UTF-16 with a mark, or, in Chinese, GB 18030.
function decode(bytes) {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);  // without the mark, if there is one
  } catch {
    return new TextDecoder("gb18030").decode(bytes);
  }
}

// The column with a known title, or else the first one. A sentence is one line.
function columnOf([head = [], ...rows]) {
  const index = head.findIndex((title) => COLUMNS.includes(title.trim().toLowerCase()));
  const cells = index < 0 ? [head, ...rows].map((row) => row[0]) : rows.map((row) => row[index]);
  return cells.map((cell) => (cell ?? "").replace(/\s+/g, " ").trim()).filter(Boolean);
}

// Split a text of CSV into rows of cells: quoted cells may have separators, line breaks and doubled quotes.
export function parseCsv(text) {
  const separator = separatorOf(text);
  const rows = [];
  let row = [], cell = "", isQuoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const letter = text[index];
    if (isQuoted) {
      if (letter !== '"') cell += letter;
      else if (text[index + 1] === '"') { cell += '"'; index += 1; } else isQuoted = false;
    } else if (letter === '"' && !cell.trim()) [cell, isQuoted] = ["", true];
    else if (letter === separator) { row.push(cell); cell = ""; }
    else if (letter === "\n" || letter === "\r") {
      if (letter === "\r" && text[index + 1] === "\n") index += 1;
      rows.push([...row, cell]);
      [row, cell] = [[], ""];
    } else cell += letter;
  }
  if (row.length || cell) rows.push([...row, cell]);
  return rows;
}

// The separator that is most frequent in the first line, outside of quotes.
function separatorOf(text) {
  const head = text.split(/[\r\n]/, 1)[0].replace(/"[^"]*"/g, "");
  const count = (separator) => head.split(separator).length;
  return SEPARATORS.reduce((best, separator) => count(separator) > count(best) ? separator : best);
}
