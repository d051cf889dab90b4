// One line that says what is being done, and how far it has come.

function render({ model, el }) {
  const bar = element("progress", { "aria-label": "Share that is done" });
  const words = element("span", { role: "status" });
  el.classList.add("btviz-busy");
  el.append(bar, words);
  const tell = () => {
    const { words: said, share, running } = model.get("state");
    bar.hidden = !running;
    if (share == null) bar.removeAttribute("value");
    else bar.value = share;
    words.replaceChildren(said ?? "");
  };
  model.on("change:state", tell);
  tell();
  return () => model.off("change:state", tell);
}

export default { render };
