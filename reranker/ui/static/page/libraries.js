// The libraries that this tab can search, as the server describes them.

// All of it is asked for again after a connection was lost, and after an update of a library.
export function createLibraries(store) {
  const libraries = {
    list: [],  // {name, pictures, folders: [name], labels: [{key, en, zh, pictures}], encoder, problem: {en, zh} or null}
    mayUpdate: false,
    isLoaded: false,
    // The label of the chosen library that pictures must have, or undefined.
    get label() { return libraries.chosen?.labels.find(({ key }) => key === store.draft.label); },
    get chosen() { return libraries.list.find(({ name }) => name === store.draft.library) ?? libraries.list[0] ?? null; },
    update, load,
  };
  const ended = new Map();  // the last end of an update, by library

  async function load() {
    try {
      const { libraries: list, updates, may_update: mayUpdate } = await store.api.get(store.path("libraries"));
      Object.assign(libraries, { list, mayUpdate, isLoaded: true });
      for (const each of updates) {
        store.updates.set(each.name, each);
        if (!isRunning(each)) ended.set(each.name, each.state);
      }
      store.note("libraries", "updates");
    } catch { /* the connection says so, and it is asked for again */ }
  }

  function update(topics) {
    if (topics.has("session")) return load();
    if (!topics.has("updates")) return null;
    const hasEnded = [...store.updates.values()].some((each) => !isRunning(each) && ended.get(each.name) !== each.state);
    for (const each of store.updates.values()) ended.set(each.name, isRunning(each) ? null : each.state);
    return hasEnded ? load() : null;
  }

  return libraries;
}

export const isRunning = (update) => update?.state === "comparing" || update?.state === "running";
