// Where the window is scrolled to at the start of a run.

const FOLLOW_MS = 1500;
const PHONE = "(max-width: 720px)";

// On a phone, the results are far below the button: bring them into view, and keep them there while they unfold.
export function showRun(bar, results) {
  if (!matchMedia(PHONE).matches) return;
  bar.rank.focus({ preventScroll: true });  // folds the keyboard of the screen
  const observer = new ResizeObserver(() => bar.mark.scrollIntoView({ block: "start" }));
  observer.observe(results);
  const end = () => observer.disconnect();
  setTimeout(end, FOLLOW_MS);
  for (const type of ["touchmove", "wheel"]) window.addEventListener(type, end, { once: true, passive: true });
}
