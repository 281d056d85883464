// A histogram of the scores with two handles for the lowest and the highest score that are shown.

import { createElement } from "./elements.js";

const BINS = 40, MOST = 10, STEP = 0.1;
const LOWEST_BAR = 0.1;  // of the height, so that a single picture is seen

// onChange: ({min} or {max}).
export function createHistogram(texts, labels, onChange) {
  const bars = Array.from({ length: BINS }, () => createElement("i"));
  const line = createElement("span", { class: "histogram-threshold", hidden: true });
  const plot = createElement("div", { class: "histogram-plot", "aria-hidden": "true" }, ...bars, line);
  const track = createElement("span", { class: "histogram-track" });
  const rail = createElement("span", { class: "histogram-rail", "aria-hidden": "true" }, track);
  const min = createHandle("filter_min", "min"), max = createHandle("filter_max", "max");
  const node = createElement("div", { class: "histogram" }, plot, rail, min, max);
  let drawn = [];

  function createHandle(key, name) {
    const handle = createElement("input", {
      type: "range", class: `histogram-${name}`, min: 0, max: MOST, step: STEP,
      oninput: () => onChange({ [name]: limit(name) }),
    });
    return labels.attribute(handle, "aria-label", key);
  }

  // Handles cannot pass each other.
  function limit(name) {
    const [low, high] = [Number(min.value), Number(max.value)];
    if (low > high) (name === "min" ? min : max).value = name === "min" ? high : low;
    return Number((name === "min" ? min : max).value);
  }

  function drawBars(rows) {
    if (rows === drawn) return;
    drawn = rows;
    const counts = Array(BINS).fill(0);
    for (const { read } of rows) counts[Math.min(BINS - 1, Math.floor(read * BINS / MOST))] += 1;
    const highest = Math.max(...counts);
    // Square roots, because most pictures fit badly, and the few good ones matter.
    const heightOf = (count) => count ? LOWEST_BAR + (1 - LOWEST_BAR) * Math.sqrt(count / highest) : 0;
    bars.forEach((bar, bin) => { bar.style.transform = `scaleY(${heightOf(counts[bin])})`; });
  }

  function drawHandle(handle, value) {
    handle.value = value;
    handle.setAttribute("aria-valuetext", texts.t("filter_score_of_ten", { score: value.toFixed(1) }));
  }

  return {
    node,
    draw(rows, filter, threshold) {
      drawBars(rows);
      drawHandle(min, filter.min);
      drawHandle(max, filter.max);
      min.style.zIndex = filter.min > MOST / 2 ? 2 : 1;  // at the right end, this one must be the one that can be moved
      track.style.left = `${filter.min * 100 / MOST}%`;
      track.style.right = `${100 - filter.max * 100 / MOST}%`;
      bars.forEach((bar, bin) => {
        bar.classList.toggle("is-out", (bin + 1) * MOST / BINS <= filter.min || bin * MOST / BINS > filter.max);
      });
      line.hidden = threshold == null;
      line.style.left = `${threshold * 100 / MOST}%`;
    },
  };
}
