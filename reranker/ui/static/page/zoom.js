// Zoom and pan of one or two pictures that move together: wheel, buttons, double click, drag, and two fingers.

const MOST = 16, STEP = 1.5, WHEEL = 0.0015;
const SWIPE_PX = 60;

// stage: the element that is dragged. apply: ({scale, x, y}), shows the zoom; x and y are shares of the stage.
// onSwipe: (1 or -1), for a finger that moves sideways while nothing is enlarged.
export function createZoom(stage, apply, onSwipe) {
  const fingers = new Map();
  let scale = 1, x = 0, y = 0, spread = null, start = null;

  function set(newScale, newX, newY) {
    scale = Math.min(MOST, Math.max(1, newScale));
    const most = (scale - 1) / 2;  // the picture always covers the middle
    [x, y] = [newX, newY].map((value) => Math.min(most, Math.max(-most, value)));
    stage.classList.toggle("is-zoomed", scale > 1);
    apply({ scale, x, y });
  }

  // Change the scale so that the point under the pointer stays where it is. The point: from the middle, in shares.
  function zoomBy(factor, point = { x: 0, y: 0 }) {
    const next = Math.min(MOST, Math.max(1, scale * factor));
    set(next, point.x - (point.x - x) * next / scale, point.y - (point.y - y) * next / scale);
  }

  function pointOf(event) {
    const pane = event.target.closest(".stage-pane") ?? stage;
    const box = pane.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width - 0.5, y: (event.clientY - box.top) / box.height - 0.5, box };
  }

  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 20 : 1) * WHEEL), pointOf(event));
  }, { passive: false });

  stage.addEventListener("dblclick", (event) => scale > 1 ? set(1, 0, 0) : zoomBy(STEP ** 3, pointOf(event)));

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("button")) return;
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
    [spread, start] = [null, fingers.size === 1 ? event : null];
  });

  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) return pinch(event);
    const { box } = pointOf(before);
    if (scale > 1) set(scale, x + (event.clientX - before.clientX) / box.width, y + (event.clientY - before.clientY) / box.height);
  });

  function pinch(event) {
    const [one, other] = [...fingers.values()];
    const distance = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    if (spread) zoomBy(distance / spread, pointOf(event));
    spread = distance;
  }

  const release = (event) => {
    if (start && event.type === "pointerup" && event.pointerType !== "mouse" && scale === 1) {
      const moved = event.clientX - start.clientX;
      if (Math.abs(moved) > SWIPE_PX) onSwipe(moved < 0 ? 1 : -1);
    }
    fingers.delete(event.pointerId);
    [spread, start] = [null, null];
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);

  return {
    enlarge: () => zoomBy(STEP), shrink: () => zoomBy(1 / STEP), reset: () => set(1, 0, 0),
    get scale() { return scale; },
  };
}
