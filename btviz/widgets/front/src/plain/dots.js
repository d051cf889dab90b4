// Draws many points on a plain canvas.

const LARGEST = 7; // of a point, in pixels of the page
const SMALLEST = 1.2;
const MARGIN = 8;

/**
 * How wide a point is drawn, and how dense, so that many do not become one blot.
 *
 * @param {number} n
 * @returns {{ size: number, alpha: number }}
 */
export function inkOf(n) {
  const size = Math.min(LARGEST, Math.max(SMALLEST, 220 / Math.sqrt(Math.max(n, 1))));
  return { size, alpha: n < 5000 ? 0.7 : n < 30000 ? 0.5 : 0.3 };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Uint16Array} places  x and y of each point, 0 to 65,535 across the map; y goes up
 */
export function draw(canvas, places) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext("2d");
  if (!context || !width) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  context.scale(ratio, ratio);
  const { size, alpha } = inkOf(places.length / 2);
  const side = Math.min(width, height) - 2 * MARGIN;
  const left = (width - side - size) / 2;
  const top = (height - side - size) / 2;
  context.fillStyle = `rgba(11, 98, 164, ${alpha})`;
  for (let k = 0; k < places.length; k += 2) {
    context.fillRect(left + (places[k] / 65535) * side, top + (1 - places[k + 1] / 65535) * side, size, size);
  }
}
