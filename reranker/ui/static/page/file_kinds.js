// What a file that somebody brings is, as its name tells: a picture, a list of sentences or labels, a saved ranking, or none
// of these.

const HIDDEN = /^(\.|thumbs\.db$|desktop\.ini$)/i;  // files that systems put into folders
// The files besides pictures that a tab takes.
export const RANKED = { saved: /\.json$/i, sentences: /\.(txt|csv)$/i };
export const TAGGED = { ownLabels: /\.(txt|csv|jsonl)$/i };
const NO_PICTURE = new RegExp(`\\.(${[
  "txt|csv|tsv|json|jsonl|md|rtf|pdf|docx?|xlsx?|pptx?|odt|ods|pages|numbers|key", "html?|css|js|ts|py|java|c|cpp|sh|xml|ya?ml|log|ini",
  "zip|rar|7z|gz|tar|iso|dmg|exe|msi", "mp3|wav|flac|m4a|ogg|mp4|mov|avi|mkv|webm|m4v", "svg|psd|ai|eps|xmp|db|lnk|url",
].join("|")})$`, "i");

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

// Sort files into {pictures, others} and the kinds that the tab takes, in natural order. files: [{file, path, isAlone}];
// isAlone: it was chosen itself, not with the folder that it is in. A list in a folder of pictures is not meant as one.
export function sortFiles(files, taken) {
  const kinds = { pictures: [], others: [] };
  for (const kind of Object.keys(taken)) kinds[kind] = [];
  for (const each of [...files].sort((one, other) => byName.compare(one.path, other.path))) {
    const kind = kindOf(each, taken);
    if (kind) kinds[kind].push(each.file);
  }
  return kinds;
}

function kindOf({ file, isAlone }, taken) {
  if (HIDDEN.test(file.name)) return null;
  const kind = isAlone && Object.keys(taken).find((name) => taken[name].test(file.name));
  if (kind) return kind;
  return NO_PICTURE.test(file.name) ? "others" : "pictures";
}

// The files of an input, as sortFiles takes them.
export const filesOfInput = (input) => [...input.files].map((file) =>
  ({ file, path: file.webkitRelativePath || file.name, isAlone: !file.webkitRelativePath }));
