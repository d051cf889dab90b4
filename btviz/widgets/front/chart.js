// A Vega-Lite chart that says what was clicked. `vegaEmbed` comes with the bundle made in Python.

function keysOf(item) {
  const { row, col, category, grouping, level } = item?.datum ?? {};
  if (category) return [category];
  if (grouping) return [grouping, level];
  return row && col ? [row, col] : null;
}

// What hovering shows, for those who listen.
const spoken = (tooltip) => Object.entries(tooltip ?? {}).map(([name, value]) => `${name}: ${value}`).join("; ");

// Tells what an interval selection named "brush..." holds, once the hand rests: {field: [low, high]}, or {} for none.
const brushesOf = (spec) => (spec.params ?? []).map(({ name }) => name).filter((name) => name.startsWith("brush"));

// The mark to go to with an arrow key: the nearest one that lies in its direction.
function neighbour(marks, from, key) {
  const [across, along] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[key];
  const centre = (mark) => {
    const box = mark.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const [x, y] = centre(from);
  let best = { mark: null, cost: Infinity };
  for (const mark of marks) {
    const [dx, dy] = centre(mark).map((value, axis) => value - [x, y][axis]);
    const ahead = dx * across + dy * along;
    const cost = ahead + 3 * Math.abs(dx * along + dy * across);
    if (ahead > 1 && cost < best.cost) best = { mark, cost };
  }
  return best.mark;
}

async function render({ model, el }) {
  let embedded = null;
  let focused = null;
  let brushing = null; // name of the brush that counts
  el.dataset.lmSuppressShortcuts = "true"; // the keys below are ours, not those of JupyterLab's command mode

  const said = element("div", { class: "btviz-said", role: "status" });
  const progress = element("progress", { "aria-label": "Share that is done" });
  const words = element("span", {});
  const busy = element("div", { class: "btviz-busy", role: "status", hidden: true }, progress, words);
  const canvas = element("div", { class: "btviz-canvas" });
  el.append(said, busy, canvas);
  el.tabIndex = -1; // so that the keys work after a click with the mouse, too
  el.classList.add("btviz-chart");
  const tell = () => said.replaceChildren(model.get("said"));
  const speak = speaker(model, (words) => (words ? said.replaceChildren(words) : tell()));

  const click = (item) => {
    const keys = keysOf(item);
    if (keys) speak.send({ kind: "click", keys });
  };
  const tellBrush = debounce(250, (name, ranges) => speak.send({ kind: "brush", name, ranges }));
  // One brush counts, the last: the others are taken away, or the picture would show several ranges at once.
  const brushed = (name, ranges) => {
    const isEmpty = Object.keys(ranges).length === 0;
    if (isEmpty && name !== brushing) return;
    tellBrush(name, ranges);
    if (isEmpty || name === brushing) return;
    brushing = name;
    const others = brushesOf(embedded.spec).filter((other) => other !== name);
    for (const other of others) embedded.view.data(`${other}_store`, []);
    if (others.length) embedded.view.runAsync();
  };
  const clickable = () => [...el.querySelectorAll("svg path")].filter((mark) => mark.__data__?.cursor === "pointer" && keysOf(mark.__data__));
  const focus = (mark) => {
    focused?.setAttribute("tabindex", -1);
    mark.setAttribute("tabindex", 0);
    mark.focus();
    focused = mark;
  };
  const press = (event) => {
    const mark = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "h") speak.send({ kind: "hide" });
    else if (!mark.__data__) return;
    else if (event.key === "Enter" || event.key === " ") click(mark.__data__);
    else if (event.key.startsWith("Arrow")) {
      const next = neighbour(clickable(), mark, event.key);
      if (next) focus(next);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const outline = () => {
    if (!embedded) return;
    for (const [name, value] of Object.entries(model.get("chosen"))) embedded.view.signal(name, value);
    embedded.view.runAsync();
  };
  const work = () => {
    const { share, words: doing } = model.get("busy");
    busy.hidden = doing == null;
    canvas.classList.toggle("btviz-waiting", doing != null);
    if (share == null) progress.removeAttribute("value");
    else progress.value = share;
    if (words.textContent !== (doing ?? "")) words.replaceChildren(doing ?? "");
  };
  const draw = async () => {
    const wanted = model.get("spec");
    embedded?.finalize();
    embedded = null;
    if (!wanted.$schema) return canvas.replaceChildren();
    canvas.classList.toggle("btviz-unscaled", brushesOf(wanted).length > 0);
    const made = await vegaEmbed(canvas, structuredClone(wanted), { actions: false, renderer: "svg" });
    if (wanted !== model.get("spec")) return made.finalize(); // another chart was asked for meanwhile
    embedded = made;
    brushing = brushesOf(wanted).find((name) => Object.keys(made.view.signal(name) ?? {}).length > 0) ?? null;
    made.view.addEventListener("click", (_, item) => click(item));
    for (const name of brushesOf(wanted)) made.view.addSignalListener(name, brushed);
    for (const mark of clickable()) {
      mark.setAttribute("role", "button");
      mark.setAttribute("aria-label", spoken(mark.__data__.tooltip));
    }
    focused = clickable()[0];
    focused?.setAttribute("tabindex", 0);
    outline();
  };

  model.on("change:said", tell);
  model.on("change:spec", draw);
  model.on("change:chosen", outline);
  model.on("change:busy", work);
  el.addEventListener("keydown", press);
  tell();
  work();
  await draw();
  return () => {
    speak.stop();
    model.off("change:said", tell);
    model.off("change:spec", draw);
    model.off("change:chosen", outline);
    model.off("change:busy", work);
    el.removeEventListener("keydown", press);
    embedded?.finalize();
  };
}

export default { render };
