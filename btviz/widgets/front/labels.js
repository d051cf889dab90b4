// Names of topics above the map: as many as have room, the largest first, more of them after zooming in.

// `where`: turns a place into pixels, or null where it is out of sight. `click`: takes a topic.
function topicLabels({ where, click }) {
  const node = element("div", { class: "btviz-labels" });
  let made = [];

  const again = (stability, unstable) => (stability == null ? "" : `\nOther fits find ${Math.round(100 * stability)} % of it again${unstable ? ": unstable" : ""}.`);
  const label = ({ topic, name, keywords, n_pairs: pairs, n_texts: texts, stability, unstable, x, y }, colour) => {
    const dot = colour ? element("span", { class: "btviz-dot", style: `background: ${colour}` }) : null;
    const about = `Topic ${topic}: ${plural(pairs, "pair")}, ${plural(texts, "text")}.${again(stability, unstable)}\n${keywords.join(", ")}`;
    const made = button("", about, () => click(topic), { class: "btviz-topic", "data-topic": topic });
    made.append(...[dot, element("span", {}, name), unstable ? element("span", { class: "btviz-unstable" }, "?") : null].filter(Boolean));
    return { topic, node: made, x, y, width: 0, height: 0 };
  };
  const overlaps = (box, other) => box.x0 < other.x1 && other.x0 < box.x1 && box.y0 < other.y1 && other.y0 < box.y1;

  return {
    node,
    set(labels, colours) {
      made = labels.map((one) => label(one, colours[one.topic]));
      node.replaceChildren(...made.map((one) => one.node));
      for (const one of made) [one.width, one.height] = [one.node.offsetWidth, one.node.offsetHeight];
      this.place();
    },
    choose(topic) {
      for (const one of made) one.node.setAttribute("aria-pressed", one.topic === topic);
      this.place(topic);
    },
    place(first) {
      const chosen = first ?? made.find((one) => one.node.ariaPressed === "true")?.topic;
      const taken = [];
      const order = [...made].sort((a, b) => (b.topic === chosen) - (a.topic === chosen));
      const { clientWidth: across, clientHeight: down } = node;
      for (const one of order) {
        const spot = where(one.x, one.y);
        const inside = spot && spot[0] > 0 && spot[0] < across && spot[1] > 0 && spot[1] < down;
        const left = inside && Math.min(Math.max(spot[0] - one.width / 2, 2), across - one.width - 2);
        const top = inside && Math.min(Math.max(spot[1] - one.height / 2, 2), down - one.height - 2);
        const box = { x0: left - 3, x1: left + one.width + 3, y0: top - 1, y1: top + one.height + 1 };
        const fits = inside && !taken.some((other) => overlaps(box, other));
        one.node.style.visibility = fits ? "visible" : "hidden";
        if (!fits) continue;
        taken.push(box);
        one.node.style.transform = `translate(${left}px, ${top}px)`;
      }
    },
  };
}
