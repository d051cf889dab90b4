// What is mended in jupyter-scatter, whose canvas draws the points. It reaches into what its makers may change, so
// pyproject.toml bounds its version from above, and a browser test looks for the parts that are used here.

/** @import { ScatterApi } from "../types" */

const MOST_FRAMES = 600;

/**
 * Whether a condition comes true within some frames.
 *
 * @param {() => unknown} isReady
 */
export async function frames(isReady) {
  for (let k = 0; k < MOST_FRAMES; k++) {
    if (isReady()) return true;
    await new Promise((done) => requestAnimationFrame(done));
  }
  return false;
}

/**
 * The element of the canvas, which carries its interface.
 *
 * @param {HTMLElement} el
 */
export const containerIn = (el) =>
  [.../** @type {NodeListOf<HTMLElement & { api?: ScatterApi }>} */ (el.querySelectorAll("[id]"))].find(
    (one) => one.api,
  );

/**
 * A draw that comes during another is dropped, and the picture keeps the colours before it: here they wait instead,
 * and of several the last is drawn.
 *
 * @param {ScatterApi} api
 */
export function oneDrawAtATime(api) {
  const draw = api.draw;
  /** @type {any[] | null} */
  let last = null;
  /** @type {Promise<void> | null} */
  let drawing = null;
  async function drawLast() {
    try {
      while (last && (await frames(() => !api.get("isDrawing")))) {
        const asked = last;
        last = null;
        await draw(...asked);
      }
    } finally {
      drawing = null;
    }
  }
  api.draw = (...asked) => {
    last = asked;
    drawing ??= drawLast();
    return drawing;
  };
}

/**
 * A drag that ends where it began, as a closed lasso does, is no click: that would choose one point instead.
 *
 * @param {HTMLElement} around
 */
export function noClickAfterDrag(around) {
  let start = { x: 0, y: 0 };
  let isDragged = false;
  around.addEventListener(
    "mousedown",
    ({ clientX: x, clientY: y }) => {
      start = { x, y };
      isDragged = false;
    },
    true,
  );
  around.addEventListener(
    "mousemove",
    ({ buttons, clientX: x, clientY: y }) => {
      isDragged ||= buttons === 1 && Math.hypot(x - start.x, y - start.y) > 5;
    },
    true,
  );
  around.addEventListener("click", (event) => isDragged && event.stopPropagation(), true);
}
