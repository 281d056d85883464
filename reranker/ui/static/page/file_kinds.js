// What a file that somebody brings is, as its name tells: a picture, a list of sentences, a saved ranking, or none of these.

const HIDDEN = /^(\.|thumbs\.db$|desktop\.ini$)/i;  // files that systems put into folders
const SAVED = /\.json$/i, SENTENCES = /\.(txt|csv)$/i;
const NO_PICTURE = new RegExp(`\\.(${[
  "txt|csv|tsv|json|jsonl|md|rtf|pdf|docx?|xlsx?|pptx?|odt|ods|pages|numbers|key", "html?|css|js|ts|py|java|c|cpp|sh|xml|ya?ml|log|ini",
  "zip|rar|7z|gz|tar|iso|dmg|exe|msi", "mp3|wav|flac|m4a|ogg|mp4|mov|avi|mkv|webm|m4v", "svg|psd|ai|eps|xmp|db|lnk|url",
].join("|")})$`, "i");

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

// Sort files into {pictures, others, saved, sentences}, in natural order. files: [{file, path, isAlone}]; isAlone: it was
// chosen itself, not with the folder that it is in. A list of sentences in a folder of pictures is not meant as one.
export function sortFiles(files) {
  const kinds = { pictures: [], others: [], saved: [], sentences: [] };
  for (const each of [...files].sort((one, other) => byName.compare(one.path, other.path))) {
    const kind = kindOf(each);
    if (kind) kinds[kind].push(each.file);
  }
  return kinds;
}

function kindOf({ file, isAlone }) {
  if (HIDDEN.test(file.name)) return null;
  if (isAlone && SAVED.test(file.name)) return "saved";
  if (isAlone && SENTENCES.test(file.name)) return "sentences";
  return NO_PICTURE.test(file.name) ? "others" : "pictures";
}

// The files of an input, as sortFiles takes them.
export const filesOfInput = (input) => [...input.files].map((file) =>
  ({ file, path: file.webkitRelativePath || file.name, isAlone: !file.webkitRelativePath }));
