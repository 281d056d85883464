// Which labels a picture has, by the confidences of the model, the options of the tab, and what people have corrected. The
// server does the same for downloads, in labels_tab/label_exports.py.

const BY_HAND = 1;
const NO_CORRECTION = Object.freeze({ states: {}, names: {}, checked: false });
const SEPARATOR = " / ";

export const correctionOf = (corrections, id) => corrections.get(id) ?? NO_CORRECTION;

// The name of a label in "en", "zh" or "both"; in the other language if it has none.
export function nameOf({ en, zh }, language) {
  if (language === "both") return [...new Set([en, zh].filter(Boolean))].join(SEPARATOR);
  return language === "zh" ? zh || en : en || zh;
}

// The labels, most confident first: [{key, en, zh, confidence, by}]; by: "added", "confirmed" or null.
// vocabulary, judged, correction: see picture_labels.js. threshold: null for the calibrated ones; most: null for all.
export function shownLabels(vocabulary, judged, correction, { threshold, most }) {
  const byHand = Object.entries(correction.states).filter(([, state]) => state !== "absent");
  const found = vocabulary && judged ? chosenLabels(vocabulary, judged, threshold) : [];
  const automatic = found.filter((label) => !(label.key in correction.states) && !impliesAbsent(label, vocabulary, correction));
  const room = most === null ? automatic.length : Math.max(0, most - byHand.length);
  const confidences = new Map(judged?.map(([index, confidence]) => [vocabulary?.labels[index].key, confidence]));
  const manual = byHand.map(([key, by]) => {
    const [en, zh] = correction.names[key];
    return { key, en, zh, by, confidence: by === "confirmed" ? confidences.get(key) ?? BY_HAND : BY_HAND };
  });
  return [...manual, ...automatic.slice(0, room)].sort((one, other) => other.confidence - one.confidence);
}

// Whether somebody has taken away what a label implies.
function impliesAbsent({ parent }, { labels }, { states }) {
  for (let each = parent; each >= 0; each = labels[each].parent) if (states[labels[each].key] === "absent") return true;
  return false;
}

// A label that is chosen brings its parents.
function chosenLabels({ labels, thresholds }, judged, threshold) {
  const confidences = new Map(judged), chosen = new Set();
  for (const [index, confidence] of judged) {
    if (confidence < (threshold ?? thresholds[index])) continue;
    for (let each = index; each >= 0; each = labels[each].parent) chosen.add(each);
  }
  const found = [...chosen].map((index) => ({ ...labels[index], by: null, confidence: confidences.get(index) ?? 0 }));
  return found.sort((one, other) => other.confidence - one.confidence || other.depth - one.depth || (one.key < other.key ? -1 : 1));
}

// The names of the labels that somebody has taken away: [{key, en, zh}].
export function absentLabels({ states, names }) {
  return Object.keys(states).filter((key) => states[key] === "absent").map((key) => ({ key, en: names[key][0], zh: names[key][1] }));
}

export const percentOf = (confidence) => `${Math.round(100 * confidence)}%`;
