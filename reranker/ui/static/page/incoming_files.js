// Files that people bring in, of all kinds: pictures are uploaded, saved rankings opened, and lists of sentences filled in.

import { RANKED, sortFiles } from "./file_kinds.js";
import { sentencesOfFile } from "./sentences.js";

// fill: ([sentence], name of the file). complain: (() -> sentence).
export function createIncoming(store, uploads, { fill, complain }) {
  const { t } = store.texts;

  // files: [{file, path, isAlone}].
  function take(files) {
    const { pictures, others, saved, sentences } = sortFiles(files, RANKED);
    others.forEach((file) => uploads.refuse(() => t("upload_no_picture", { name: file.name })));
    if (pictures.length) uploads.add(pictures);
    saved.forEach(openSaved);
    if (sentences.length) openLists(sentences);
  }

  async function openSaved(file) {
    try {
      await store.api.post(store.path(`saved?name=${encodeURIComponent(file.name)}`), file, { raw: true });
    } catch (error) {
      uploads.refuse(error.sentence);
    }
  }

  async function openLists(files) {
    const names = files.map((file) => file.name).join(t("upload_comma"));
    try {
      const sentences = (await Promise.all(files.map(sentencesOfFile))).flat();
      if (sentences.length) fill(sentences, names);
      else complain(() => t("query_list_empty", { name: names }));
    } catch {
      complain(() => t("upload_unreadable", { name: names }));
    }
  }

  return { take, openLists };
}
