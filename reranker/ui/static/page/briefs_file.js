// Read sentences from a text file, one a line, or from CSV (RFC 4180, with commas, semicolons or tabs).

const COLUMN = /^(query|sentence|brief|text|prompt|句子|查询|查询句|文案|描述)$/i;

export function readBriefs(text) {
  const rows = readRows(text.replace(/^\ufeff/, ""));
  const column = Math.max(0, (rows[0] ?? []).findIndex((cell) => COLUMN.test(cell.trim())));
  const hasHead = COLUMN.test((rows[0]?.[column] ?? "").trim());
  const briefs = rows.slice(hasHead ? 1 : 0).map((row) => (row[column] ?? "").replace(/\s+/g, " ").trim());
  return [...new Set(briefs.filter(Boolean))];
}

// A plain list has no head and no quotes: its commas belong to the sentences.
function readRows(text) {
  const head = text.split(/\r?\n/, 1)[0];
  const separator = [",", ";", "\t"].find((each) => head.split(each).some((cell) => COLUMN.test(cell.replace(/"/g, "").trim())));
  if (!separator && !head.startsWith('"')) return text.split(/\r?\n/).map((line) => [line]);
  return readCsv(text, separator ?? ",");
}

function readCsv(text, separator) {
  const rows = [];
  let row = [], cell = "", isQuoted = false;
  const endCell = () => { row.push(cell); cell = ""; };
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[index + 1] === '"') { cell += '"'; index += 1; }
      else isQuoted = false;
    } else if (character === '"' && !cell) isQuoted = true;
    else if (character === separator) endCell();
    else if (character === "\n") { endCell(); rows.push(row); row = []; }
    else if (character !== "\r") cell += character;
  }
  if (cell || row.length) { endCell(); rows.push(row); }
  return rows;
}
