// The labels of the pictures of a session, as the server knows them: what the latest run has found, and corrections.

// Returns {applyState, appliers}, which take what events bring, besides the labels.
export function createPictureLabels(store) {
  const labels = {
    run: null,      // the summary of the latest run, or null
    problem: null,  // why no run could begin, {en, zh}, or null
    own: null,      // the labels that people have brought: {name, text, labels, groups}, or null
    corrections: new Map(),  // by picture: {states: {key: "added", "confirmed" or "absent"}, names: {key: [en, zh]}, checked}
    vocabulary: null,        // of the run: {labels, groups, thresholds}; see vocabularyOf
    judged: new Map(),       // by picture: [[index of a label, confidence]]
    failed: new Map(),       // by picture: {reason, canRetry}
    applyState,
    appliers: { tagging: applyRun, tagging_problem: applyProblem, own_labels: applyOwn, label_corrections: applyCorrections, tagged: applyTagged },
  };
  let loaded = null;   // id of the run whose labels are here
  let loading = null;  // {run, judged, failed}: what arrives while they are fetched

  function applyState(state) {
    labels.corrections = new Map(Object.entries(state.label_corrections));
    [labels.problem, labels.own, loaded] = [state.tagging_problem, state.own_labels, null];
    if (state.tagging === null) Object.assign(labels, { vocabulary: null, judged: new Map(), failed: new Map() });
    applyRun(state.tagging);
    store.note("tagged", "corrections");
  }

  function applyRun(run) {
    labels.run = run;
    if (run && run.id !== loaded && run.id !== loading?.run) load(run.id);
    store.note("tagging");
  }

  function applyProblem(problem) {
    labels.problem = problem;
    store.note("tagging");
  }

  function applyOwn(own) {
    labels.own = own;
    store.note("tagging", "choices");
  }

  function applyCorrections(changed) {
    for (const [id, correction] of Object.entries(changed)) labels.corrections.set(id, correction);
    store.note("corrections");
  }

  function applyTagged(rows) {
    if (rows.run === loading?.run) add(loading, rows);
    else if (rows.run === loaded) add(labels, rows);
    store.note("tagged");
  }

  // Fetch what a run has found so far; the labels of the run before stay until that is here.
  async function load(run) {
    const mine = { run, judged: new Map(), failed: new Map() };
    loading = mine;
    try {
      const found = await store.api.get(store.path("picture-labels"));
      if (loading !== mine || found.run === null) return;
      const all = { judged: new Map(), failed: new Map() };
      add(all, found);
      add(all, { judged: [...mine.judged], failed: [...mine.failed].map(([id, { reason, canRetry }]) => [id, reason, canRetry]) });
      Object.assign(labels, { ...all, vocabulary: vocabularyOf(found) });
      loaded = run;
    } catch { /* asked again with the next news of the run */ } finally {
      if (loading === mine) loading = null;
    }
    store.note("tagged", "tagging");
  }

  return labels;
}

function add(target, { judged, failed }) {
  for (const [id, row] of judged) {
    target.judged.set(id, row);
    target.failed.delete(id);
  }
  for (const [id, reason, canRetry] of failed) {
    target.failed.set(id, { reason, canRetry: Boolean(canRetry) });
    target.judged.delete(id);
  }
}

// Labels as objects: {key, en, zh, names, group, parent, depth}; group and parent are indexes, or -1.
function vocabularyOf({ labels, groups, thresholds }) {
  const objects = labels.map(([en, zh, synonyms, group, parent]) =>
    ({ key: en || zh, en, zh, names: [en, zh, ...synonyms].filter(Boolean), group, parent }));
  const depthOf = (index) => objects[index].parent < 0 ? 0 : 1 + depthOf(objects[index].parent);
  objects.forEach((label, index) => { label.depth = depthOf(index); });
  const byName = new Map(objects.flatMap((label) => label.names.map((name) => [name.toLowerCase(), label])));
  return {
    labels: objects, groups, thresholds,
    find: (name) => byName.get(name.trim().toLowerCase()) ?? null,
  };
}
