// Turns the pages of a list, and reveals what is on view.

// `noun`: what a page holds, in the plural.
function pager(model, act, noun) {
  const where = element("span", { class: "btviz-where", "aria-live": "polite" });
  const step = (direction) => () => {
    const { offset, size } = model.get("view");
    act.send({ kind: "turn", offset: offset + direction * size, size });
  };
  const back = button("‹", "Previous page. Key: ←", step(-1), { class: "btviz-previous", "aria-label": "Previous page" });
  const on = button("›", "Next page. Key: →", step(1), { class: "btviz-next", "aria-label": "Next page" });
  const size = select(`${noun} on a page`, [5, 10, 25, 50].map((n) => [String(n), `${n} a page`]), (n) => act.send({ kind: "turn", offset: model.get("view").offset, size: Number(n) }));
  const leave = button("‹ Back to the list", "Key: Escape", () => act.send({ kind: "prompt", pair: null }), { class: "btviz-leave" });
  const reveal = button("Reveal these", "Reveal every text on view. Key: R", act.revealPage);
  function update() {
    const view = model.get("view");
    const shown = model.get("cards").length;
    const inPrompt = view.prompt != null;
    leave.hidden = !inPrompt;
    for (const control of [back, on, size]) control.hidden = inPrompt;
    back.disabled = view.offset === 0;
    on.disabled = view.offset + view.size >= view.listed;
    size.value = String(view.size);
    reveal.hidden = shown === 0;
    const range = shown ? `${count(view.offset + 1)}–${count(view.offset + shown)} of ${count(view.listed)}` : "0 of 0";
    where.replaceChildren(inPrompt ? `All ${shown} answers to one prompt` : range);
  }
  return { node: element("nav", { class: "btviz-row btviz-pager", "aria-label": "Pages" }, leave, back, where, on, size, reveal), update };
}
