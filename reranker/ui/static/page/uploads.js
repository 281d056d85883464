// The queue of uploads: three at a time, in natural order, while everything else can be done. A file that fails because
// the server is away is sent again when it is back.

const PARALLEL = 3, ATTEMPTS = 3, RETRY_MS = 1000, MEGABYTE = 1_000_000;
const TOO_LARGE = 413, FULL = 507;
const LATER = [0, 401, 404, 408, 429, 500, 502, 503, 504];  // statuses after which a file can still be sent

export function createUploads(store) {
  const { t } = store.texts;
  let queue = [], abort = new AbortController();

  const uploads = {
    done: 0, sending: 0, total: 0,  // files since the queue was empty
    refused: [],    // functions that return a sentence with the name of a file, in the language of the page
    same: [],       // names of files whose pictures were there already
    leftOut: 0,     // files for which there was no room
    trouble: null,  // a function that says why the rest was not sent
    get isActive() { return uploads.sending > 0; },
    add, refuse, cancel, forget,
  };

  const isFull = () => store.pictures.size >= store.limits.max_pictures;
  const isTooLarge = (file) => file.size > store.limits.max_picture_mb * MEGABYTE;

  // Add files of the browser, in their order.
  function add(files) {
    if (!uploads.isActive) {
      Object.assign(uploads, { done: 0, same: [], leftOut: 0, trouble: null });
      abort = new AbortController();
    }
    queue.push(...files);
    uploads.total = uploads.done + uploads.sending + queue.length;
    while (uploads.sending < PARALLEL && queue.length) work();
    store.note("uploads");
  }

  async function work() {
    uploads.sending += 1;
    while (queue.length) {
      await send(queue.shift(), abort.signal);
      uploads.done += 1;
      store.note("uploads");
    }
    uploads.sending -= 1;
    store.note("uploads");
  }

  async function send(file, signal) {
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      await connected(signal);
      try {
        return await post(file, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!await isReadable(file)) return refuse(() => t("upload_unreadable", { name: file.name }));
        if (attempt >= ATTEMPTS || !LATER.includes(error.status)) return fail(file, error);
        await pause();  // meanwhile a lost connection is noticed
        if (store.connection !== "open") attempt = 0;
      }
    }
  }

  async function post(file, signal) {
    if (isFull()) return leaveOut();
    if (isTooLarge(file)) return refuse(() => t("upload_too_large", { name: file.name, max: store.limits.max_picture_mb }));
    const path = store.path(`pictures?name=${encodeURIComponent(file.name)}`);
    const { same_as: sameAs } = await store.api.post(path, file, { raw: true, signal });
    if (sameAs !== null) uploads.same.push(file.name);
  }

  function fail(file, error) {
    if (isFull()) return leaveOut();
    if (error.status === TOO_LARGE) return refuse(() => t("upload_refused_size", { name: file.name }));
    if (error.status !== FULL) return refuse(error.status === 0 ? () => t("upload_not_sent", { name: file.name }) : error.sentence);
    uploads.trouble = error.sentence;
    queue = [];
  }

  // There is no room for this file, and so none for those after it.
  function leaveOut() {
    uploads.leftOut += 1 + queue.length;
    queue = [];
  }

  function refuse(sentence) {
    uploads.refused.push(sentence);
    store.note("uploads");
  }

  async function connected(signal) {
    while (store.connection !== "open" && !signal.aborted) await pause();
  }

  function cancel() {
    queue = [];
    abort.abort();
    store.note("uploads");
  }

  // Forget what the last uploads had to say.
  function forget() {
    Object.assign(uploads, { refused: [], same: [], leftOut: 0, trouble: null });
    store.note("uploads");
  }

  return uploads;
}

const pause = () => new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });

// A file that was deleted or is locked looks like a lost connection.
const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);
