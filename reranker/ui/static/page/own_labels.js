// Labels that people bring themselves: typed, or a file, which the server reads and keeps for the session.

export const OWN = "own";  // the choice of them

// complain: (() -> sentence), says what is wrong with a file; null takes it back.
export function createOwnLabels(store, complain) {
  const { t } = store.texts;

  const own = {
    isSending: false,
    // The file that the session has, {name, labels, groups}, or null if labels are typed.
    get file() { return store.pictureLabels.own?.name ? store.pictureLabels.own : null; },
    take, forget,
  };

  // A file that cannot be used changes nothing.
  async function take(file) {
    if (own.isSending || !store.session) return;
    own.isSending = true;
    complain(null);
    store.note("choices");
    try {
      await store.api.post(store.path(`picture-labels/own?name=${encodeURIComponent(file.name)}`), file, { raw: true });
      store.setDraft({ vocabulary: OWN, groups: [] });
    } catch (error) {
      const isUnreadable = error.status === 0 && !await isReadable(file);
      complain(isUnreadable ? () => t("upload_unreadable", { name: file.name }) : error.sentence);
    }
    own.isSending = false;
    store.note("choices");
  }

  async function forget() {
    complain(null);
    try {
      await store.api.delete(store.path("picture-labels/own"));
      store.setDraft({ groups: [] });
    } catch (error) {
      complain(error.sentence);
    }
  }

  return own;
}

// A file that was deleted or is locked looks like a lost connection.
const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);
