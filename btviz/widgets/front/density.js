// Stands for the map where the browser has no WebGL: how many texts lie where, and a lasso.

const hasWebgl = () => {
  const context = document.createElement("canvas").getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext(); // a page has only some
  return context != null;
};

// `lasso`: takes a closed line in the coordinates of the map, -1 to 1.
function densityPicture(model, { lasso }) {
  const canvas = element("canvas", { class: "btviz-density", role: "img", "aria-label": "Density of the map" });
  const line = element("canvas", { class: "btviz-density" });
  const node = element("div", { class: "btviz-densities" }, canvas, line);
  let corners = null;

  const side = () => Math.min(node.clientWidth, node.clientHeight);
  const middle = () => [node.clientWidth / 2, node.clientHeight / 2];
  const toPixels = (x, y) => [middle()[0] + (x * side()) / 2, middle()[1] - (y * side()) / 2];
  const toMap = (event) => {
    const box = node.getBoundingClientRect();
    return [(2 * (event.clientX - box.x - middle()[0])) / side(), (-2 * (event.clientY - box.y - middle()[1])) / side()];
  };

  function draw() {
    const bytes = new Uint8Array(model.get("density")?.buffer ?? []);
    const cells = Math.sqrt(bytes.length / 2);
    if (!cells) return;
    const chosen = bytes.subarray(cells * cells);
    const any = chosen.some(Boolean);
    const image = new ImageData(cells, cells);
    for (let k = 0; k < cells * cells; k++) {
      const [red, green, blue] = any && chosen[k] ? [11, 98, 164] : any ? [150, 150, 150] : [60, 90, 120];
      const shade = any && chosen[k] ? Math.max(chosen[k], 90) : bytes[k] * (any ? 0.6 : 1);
      image.data.set([red, green, blue, shade], 4 * k);
    }
    [canvas.width, canvas.height] = [cells, cells];
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  function trace() {
    [line.width, line.height] = [node.clientWidth, node.clientHeight];
    const pen = line.getContext("2d");
    pen.strokeStyle = "#0b62a4";
    pen.beginPath();
    for (const [x, y] of corners ?? []) pen.lineTo(...toPixels(x, y));
    pen.stroke();
  }

  node.addEventListener("pointerdown", (event) => (node.setPointerCapture(event.pointerId), (corners = [toMap(event)])));
  node.addEventListener("pointermove", (event) => corners && (corners.push(toMap(event)), trace()));
  node.addEventListener("pointerup", () => {
    if (corners?.length > 2) lasso(corners);
    else if (corners) lasso([]);
    corners = null;
    trace();
  });
  model.on("change:density", draw);
  draw();
  return { node, where: toPixels, stop: () => model.off("change:density", draw) };
}
