// The files that were dropped, with those in dropped folders.

// Returns a promise of [{file, path, isAlone}]. It reads the transfer at once, as browsers empty it after the event.
export function droppedFiles(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const found = items.map((item) => {
    const entry = item.webkitGetAsEntry?.();
    const file = item.getAsFile();
    return entry?.isDirectory ? filesOfFolder(entry) : [{ file, path: file.name, isAlone: true }];
  });
  return Promise.all(found).then((lists) => lists.flat());
}

async function filesOfFolder(folder) {
  const found = [];
  for (const entry of await entriesOf(folder)) {
    if (entry.isDirectory) found.push(...await filesOfFolder(entry));
    else found.push(...await filesOfEntry(entry));
  }
  return found;
}

// A reader gives about a hundred entries at a time, and none at the end.
async function entriesOf(folder) {
  const reader = folder.createReader(), entries = [];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) return entries;
    entries.push(...some);
  }
}

// A file that cannot be read is left out.
const filesOfEntry = (entry) => new Promise((resolve) =>
  entry.file((file) => resolve([{ file, path: entry.fullPath, isAlone: false }]), () => resolve([])));
