// The topic map: points by jupyter-scatter, or a density picture, with names of topics above them.

const HINT = "Drag to move, scroll to zoom, click the name of a topic. To lasso, press l or the second button, then drag.";

async function frames(ready, tries = 600) {
  for (let k = 0; k < tries; k++) {
    if (ready()) return true;
    await new Promise((done) => requestAnimationFrame(done));
  }
  return false;
}

// jupyter-scatter drops a draw that comes during another, and the picture keeps the colours before it: they wait instead.
function oneDrawAtATime(api) {
  const draw = api.draw;
  let last = null;
  let drawing = null;
  const drawLast = async () => {
    try {
      while (last && (await frames(() => !api.get("isDrawing")))) {
        const asked = last;
        last = null;
        await draw(...asked);
      }
    } finally {
      drawing = null;
    }
  };
  api.draw = (...asked) => {
    last = asked;
    return (drawing ??= drawLast());
  };
}

// A drag that ends where it began, as a closed lasso does, is no click: that would choose one point instead.
function noClickAfterDrag(around) {
  let [x, y, dragged] = [0, 0, false];
  around.addEventListener("mousedown", (event) => ([x, y, dragged] = [event.clientX, event.clientY, false]), true);
  around.addEventListener("mousemove", (event) => (dragged ||= event.buttons === 1 && Math.hypot(event.clientX - x, event.clientY - y) > 5), true);
  around.addEventListener("click", (event) => dragged && event.stopPropagation(), true);
}

function render({ model, el, host, signal }) {
  const stage = element("div", { class: "btviz-stage" });
  const status = element("div", { class: "btviz-status", role: "status" });
  const pointed = element("div", { class: "btviz-pointed btviz-quiet" }, HINT);
  const title = element("div", { class: "btviz-counts" });
  const busy = element("progress", { class: "btviz-busy-bar", "aria-label": "Working" });
  const quality = element("p", { class: "btviz-quiet btviz-quality" });
  let where = () => null;
  let names = new Map();
  let stopDensity = () => {};
  let toggleLasso = () => {};

  const say = (words) => status.replaceChildren(words);
  const speak = speaker(model, say);
  const act = { send: (message) => (say(""), speak.send(message)), say };
  const labels = topicLabels({ where: (x, y) => where(x, y), click: (topic) => act.send({ kind: "topic", topic }) });
  const parts = [colouringList, scaleSlider, searches, chosenLine, legendOf].map((make) => make(model, act));
  const [colour, scale, search, chosen, legend] = parts;

  async function drawPoints() {
    const canvasHost = element("div", { class: "btviz-points" });
    stage.prepend(canvasHost);
    await frames(() => stage.clientWidth > 0);
    const scatter = await host.getWidget(model.get("scatter"));
    await scatter.render({ el: canvasHost, signal });
    const container = () => [...canvasHost.querySelectorAll("[id]")].find((one) => one.api);
    if (!(await frames(container))) throw new Error("the points were not drawn");
    const { api } = container();
    oneDrawAtATime(api);
    const points = await host.getModel(model.get("scatter"));
    toggleLasso = () => (points.set("mouse_mode", points.get("mouse_mode") === "lasso" ? "panZoom" : "lasso"), points.save_changes());
    const markLasso = () => labels.node.classList.toggle("btviz-lassoing", points.get("mouse_mode") === "lasso");
    points.on("change:mouse_mode", markLasso); // a lasso may begin on a name
    signal.addEventListener("abort", () => points.off("change:mouse_mode", markLasso));
    const { clientWidth: across, clientHeight: down } = container();
    const [x, y] = model.get("state").reach;
    const distance = 1.06 * Math.max(y, (x * down) / across); // else a narrow map is cut, and a wide one small
    api.set({ cameraDistance: distance });
    api.get("camera").setScaleBounds([1 / (2 * distance), 200 / distance]); // nobody should lose the map by scrolling
    noClickAfterDrag(container());
    container().append(labels.node);
    where = (x, y) => [api.get("xScale")(x), api.get("yScale")(y)];
    api.subscribe("view", () => labels.place());
    const canvas = container().querySelector("canvas");
    new ResizeObserver(() => requestAnimationFrame(() => labels.place())).observe(canvas);
    labels.node.addEventListener("wheel", (event) => (event.preventDefault(), canvas.dispatchEvent(new WheelEvent("wheel", event))), { passive: false });
    // A name under the pointer must not end a lasso that passes it.
    canvas.addEventListener("mousedown", () => labels.node.classList.add("btviz-through"));
    window.addEventListener("mouseup", () => labels.node.classList.remove("btviz-through"), { signal });
    labels.place();
  }

  function drawDensity(why) {
    const picture = densityPicture(model, { lasso: (polygon) => act.send({ kind: "lasso", polygon }) });
    stage.replaceChildren(picture.node, labels.node);
    where = picture.where;
    stopDensity = picture.stop;
    speak.send({ kind: "no_webgl" });
    pointed.replaceChildren(`${why} The density of texts is shown instead. Drag to lasso, click the name of a topic.`);
    labels.place();
  }

  function receive(message) {
    if (message.kind === "labels") {
      names = new Map(message.labels.map((one) => [one.topic, one.name]));
      labels.set(message.labels, message.colours);
      labels.choose(model.get("state").topic);
    } else if (message.kind === "say") say(message.text);
    else if (message.kind === "pointed") point(message);
    else if (message.kind === "download") download(message);
  }

  function point({ topic, pairs, unsafe }) {
    if (topic == null) return pointed.replaceChildren(HINT);
    const named = topic < 0 ? "no topic" : `topic ${topic}: ${names.get(topic) ?? ""}`;
    pointed.replaceChildren(`${plural(pairs, "pair")} here${unsafe == null ? "" : `, ${count(unsafe)} unsafe`} · ${named}`);
  }

  function download({ name, text }) {
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    element("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    say(`Saved ${name}.`);
  }

  function update() {
    const state = model.get("state");
    parts.forEach((part) => part.update());
    busy.hidden = !state.busy;
    const unplaced = state.unplaced ? ` · ${count(state.unplaced)} pairs are not on the map` : "";
    title.replaceChildren(`${state.population} · n = ${plural(state.pairs, "pair")} at ${plural(state.points, "point")}, one for each of their distinct ${state.texts}${unplaced}`);
    quality.replaceChildren(qualityLine(state) + unstableLine(state));
    labels.choose(state.topic);
  }

  const keys = { h: () => act.send({ kind: "hide" }), Escape: () => act.send({ kind: "clear" }), "/": () => search.focus(), l: () => toggleLasso() };
  function press(event) {
    const typing = event.target.matches("input, select");
    if (typing) return event.stopPropagation(); // JupyterLab would take the arrow keys from the slider
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }

  const tools = element("div", { class: "btviz-row" }, colour.node, scale.node, busy);
  el.append(element("section", { class: "btviz-inspector btviz-map", tabindex: -1, "aria-label": "Topic map", "data-lm-suppress-shortcuts": "true", on: { keydown: press } }, title, tools, search.node, chosen.node, stage, legend.node, pointed, status, quality));
  model.on("change:state", update);
  model.on("msg:custom", receive);
  update();
  if (hasWebgl()) drawPoints().catch(() => drawDensity("The points could not be drawn."));
  else drawDensity("This browser has no WebGL.");
  speak.send({ kind: "ready" });
  return () => (speak.stop(), stopDensity(), model.off("change:state", update), model.off("msg:custom", receive));
}

export default { render };
