// Starting and stopping a run, and what keeps one from starting.

import { keepDraft } from "./address.js";

// request: what a run is of in this tab: {problem: () -> key of the sentence that says why nothing can start, or null;
// sentenceOf: (key); send: () -> ids of the rankings; hasEnded: (id) -> whether one is there and does not run; busy: a key}.
// complain: (() -> sentence), says beside the box of the sentence why nothing starts. onStart: () at once after the press.
export function createRun(store, request, { complain, onStart }) {
  let started = null;  // ids of the rankings that the server has accepted and that have not begun yet

  const run = {
    isStarting: false,  // from the press until the server says how far it is
    get isBusy() { return run.isStarting || store.job !== null; },
    // Whether it can be seen how far the run is: not while the server is away.
    get isFollowed() { return store.connection === "open"; },
    start, stop,
    update,
  };

  async function start() {
    if (run.isStarting) return;
    const problem = problemNow();
    complain(problem && (() => problemNow() === problem ? request.sentenceOf(problem) : ""));
    if (problem) return;
    [run.isStarting, started] = [true, null];
    store.note("job");
    keepDraft(store.tab, store.draft);  // a reload right after this must show what was asked
    onStart();
    try {
      started = await request.send();
      update();
    } catch (error) {
      run.isStarting = false;
      complain(error.sentence);
    }
    store.note("job");
  }

  // The key of the sentence that says why nothing can start, or null.
  function problemNow() {
    if (store.connection !== "open") return { connecting: "connection_connecting", login: "connection_login" }[store.connection] ?? "server_gone";
    return store.job ? request.busy ?? "run_busy" : request.problem();
  }

  // A run has begun once there is a job, or has ended already if it was quick. A lost connection frees the button.
  function update() {
    if (store.job || started?.some(request.hasEnded) || store.connection !== "open") [run.isStarting, started] = [false, null];
  }

  async function stop() {
    if (!store.job || store.job.stopping) return;
    store.job = { ...store.job, stopping: true };
    store.note("job");
    try {
      await store.api.post(store.path("stop"));
    } catch (error) {
      complain(error.sentence);
      if (store.job) store.job = { ...store.job, stopping: false };
      store.note("job");
    }
  }

  return run;
}
