// Names of topics above the map: as many as have room, the largest first, more of them after zooming in.

/** @import { TopicLabel } from "../types" */
import { button, element } from "../page/dom.js";
import { aboutTopic } from "./captions.js";
import { placed } from "./placing.js";

/** @param {string} colour */
export const dot = (colour) => element("span", { class: "btviz-dot", style: `background: ${colour}` });

/**
 * @param {{ where: (x: number, y: number) => number[] | null, click: (topic: number) => void }} map
 *     `where`: turns a place into pixels, or null where it is out of sight.
 */
export function topicLabels({ where, click }) {
  const node = element("div", { class: "btviz-labels" });
  /** @type {{ topic: number, node: HTMLElement, x: number, y: number, width: number, height: number }[]} */
  let labels = [];
  /** @type {number | null} */
  let chosen = null;

  /**
   * @param {TopicLabel} label
   * @param {string | undefined} colour
   */
  function made(label, colour) {
    const { topic, name, unstable, x, y } = label;
    const attributes = { class: unstable ? "btviz-topic btviz-faint" : "btviz-topic", "data-topic": topic };
    const named = button("", aboutTopic(label), () => click(topic), attributes);
    const parts = [colour && dot(colour), element("span", { dir: "auto" }, name)];
    if (unstable) parts.push(element("span", { class: "btviz-unstable" }, "?"));
    named.append(...parts.filter((part) => part instanceof Node));
    return { topic, node: named, x, y, width: 0, height: 0 };
  }

  /** Names may come before there is a map to lay them on: they have no size until then. */
  function measure() {
    if (!node.isConnected || labels.every((label) => label.width > 0)) return;
    for (const label of labels) {
      [label.width, label.height] = [label.node.offsetWidth, label.node.offsetHeight];
    }
  }

  function place() {
    measure();
    const places = placed(labels, { where, across: node.clientWidth, down: node.clientHeight, chosen });
    for (const label of labels) {
      const spot = places.get(label);
      label.node.style.visibility = spot ? "visible" : "hidden";
      if (spot) label.node.style.transform = `translate(${spot.left}px, ${spot.top}px)`;
    }
  }

  return {
    node,
    place,
    /**
     * @param {TopicLabel[]} topics  the largest first
     * @param {Record<number, string>} colours  by topic
     */
    set(topics, colours) {
      labels = topics.map((topic) => made(topic, colours[topic.topic]));
      node.replaceChildren(...labels.map((label) => label.node));
      place();
    },
    /** @param {number | null} topic */
    choose(topic) {
      chosen = topic;
      for (const label of labels) label.node.ariaPressed = String(label.topic === topic);
      place();
    },
  };
}
