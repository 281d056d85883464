// Follow the events of a session, and go on by ourselves after the connection was lost.

const RETRY_MS = 1000;    // between two tries while the server does not answer
const PATIENCE_MS = 5000;  // for an answer
const SILENCE_MS = 12_000, WATCH_MS = 3000;  // after a silence, the server is asked whether it is there

// onState: (state). onChange: (change). onConnection: ("open", "lost", "ended" or "login").
export function createSessionEvents(api, { onState, onChange, onConnection }) {
  let followed = null, source = null, retryTimer = null;
  let failures = 0;    // since the last state
  let heardAt = null;  // when something has arrived; null while there is no connection

  function follow(id) {
    stop();
    followed = id;
    const events = new EventSource(api.urlOf(`sessions/${id}/events`));
    source = events;
    events.addEventListener("state", (event) => {
      [heardAt, failures] = [performance.now(), 0];
      onState(JSON.parse(event.data));
      onConnection("open");
    });
    events.addEventListener("changes", (event) => {
      heardAt = performance.now();
      JSON.parse(event.data).forEach(onChange);
    });
    events.addEventListener("error", () => { if (source === events) lose(id); });
  }

  function stop() {
    clearTimeout(retryTimer);
    source?.close();
    source = followed = heardAt = null;
  }

  // The events have ended. If the server is there, they go on without a word; a second failure is said.
  async function lose(id) {
    source?.close();
    source = heardAt = null;
    failures += 1;
    if (failures > 1) onConnection("lost");
    const answer = await ask(id);
    if (followed !== id) return;
    if (answer !== "open") onConnection(answer);
    if (answer === "ended" || answer === "login") return;
    retryTimer = setTimeout(() => follow(id), answer === "open" && failures === 1 ? 0 : RETRY_MS);
  }

  // What the server says about a session: "open", "ended" or "login"; "lost" if it does not answer.
  async function ask(id) {
    try {
      await api.get(`sessions/${id}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
      return "open";
    } catch (error) {
      return { 404: "ended", 401: "login" }[error.status] ?? "lost";
    }
  }

  // A network that breaks silently ends no stream.
  async function watch() {
    if (heardAt === null || performance.now() - heardAt < SILENCE_MS) return;
    const id = followed;
    heardAt = performance.now();
    const answer = await ask(id);
    if (answer === "open" || followed !== id || heardAt === null) return;
    if (answer === "lost") onConnection("lost");
    lose(id);
  }

  setInterval(watch, WATCH_MS);
  window.addEventListener("offline", () => { if (heardAt !== null) lose(followed); });
  return { follow, stop };
}
