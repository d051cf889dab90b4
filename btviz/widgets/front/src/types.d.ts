// What anywidget hands to a view, and what Python sends. Only shapes: nothing here runs.

export type Listener = (...values: any[]) => void;

/** One side of a view's model; the other is in Python. */
export interface Model {
  get(name: string): any;
  set(name: string, value: unknown): unknown;
  set(values: object): unknown;
  on(event: string, listener: Listener): void;
  off(event: string, listener: Listener): void;
  send(message: object): void;
  save_changes(): void;
}

/** Gives the models that a model refers to. */
export interface Host {
  getModel(reference: string): Promise<Model>;
}

export interface View {
  model: Model;
  el: HTMLElement;
  host: Host;
  signal: AbortSignal;
}

/** What a view calls when it goes. */
export type Cleanup = () => void;

export type Child = Node | string | null | undefined | false;

export interface Options {
  on?: Record<string, (event: any) => unknown>;
  [attribute: string]: unknown;
}

/** A control, and how it follows the model. */
export interface Part {
  node: HTMLElement;
  update: () => void;
}

/** What the controls of a view may do. */
export interface Act {
  send: (message: object) => void;
  say: (words: string) => void;
}

export interface Category {
  slug: string;
  title: string;
  definition: string;
  guarded: boolean;
}

export interface Text {
  part: string;
  text: string | null;
  cut: number;
  withheld: string[];
}

/** A pair as it is listed: all that is known of it but its texts. */
export interface PairCard {
  pair: string;
  safe: boolean | null;
  labelled: boolean;
  annotations: number;
  unsafe: number;
  disputed: boolean;
  severity: string | null;
  votes: [bit: number, votes: number | null][];
  source: string | null;
  words: (number | null)[];
  answers: number;
  /** What the list is ranked by. */
  value: number | null;
  /** Whether it is a prompt without an answer. */
  alone: boolean;
}

/** One of the two answers of a comparison, as released in its row. */
export interface Answer {
  pair: string;
  safe: boolean | null;
  severity: string | null;
  bits: number[] | null;
  source: string | null;
  words: number | null;
}

export interface Comparison {
  row: number;
  better: number | null;
  safer: number | null;
  overall: number | null;
  prompt_source: string | null;
  prompt_words: number | null;
  split: string | null;
  answers: [Answer, Answer];
  missing: string[];
}

export interface Note {
  pair: string;
  tag: string;
  note: string;
  time: string;
}

/** Pairs and tags that a message brings. */
export interface Words {
  filters: Filters;
  tags: string[];
  notes: Note[];
}

/** Where a reviewer is in a queue; no text is in it. */
export interface ReviewState {
  name: string;
  reviewer: string;
  place: number;
  n: number;
  done: number;
  counts: Record<string, number>;
  verdict: string | null;
  reason: string | null;
  /** What is in doubt of a comparison: safer, better or overall. */
  order: string | null;
  read: number;
  since: number;
  breakAfter: number;
  rests: boolean;
  safe: boolean | null;
  labels: string[];
}

export type Mode = "any_of" | "all_of" | "none_of";

export interface Filters {
  any_of: string[];
  all_of: string[];
  none_of: string[];
  votes: string;
  safety: string;
  dispute: string;
  search: string;
  tag: string;
}

/** A topic as its name stands on the map. */
export interface TopicLabel {
  topic: number;
  name: string;
  keywords: string[];
  item: string;
  n_pairs: number;
  n_texts: number;
  stability: number | null;
  unstable: boolean;
  x: number;
  y: number;
}

/** A mark of a Vega chart: the drawn node knows its item. */
export interface Item {
  datum?: Record<string, any>;
  cursor?: string;
  tooltip?: Record<string, unknown>;
}

export type Mark = SVGElement & { __data__: Item };

/** The part of Vega's view that is used here. */
export interface VegaView {
  signal(name: string, value?: unknown): any;
  data(name: string, rows: object[]): VegaView;
  runAsync(): Promise<VegaView>;
  addEventListener(kind: string, listener: (event: unknown, item: Item | null) => void): VegaView;
  addSignalListener(name: string, listener: (name: string, value: any) => void): VegaView;
}

export interface Embedded {
  view: VegaView;
  spec: Spec;
  finalize(): void;
}

export interface Spec {
  params?: { name: string }[];
}

export interface VegaLibrary {
  vegaEmbed(node: HTMLElement, spec: Spec, options: object): Promise<Embedded>;
}

/** The canvas of jupyter-scatter, as far as it is used here; the names are its own. */
export interface ScatterApi {
  get(name: string): any;
  set(properties: object): unknown;
  draw(...drawn: any[]): Promise<unknown>;
  subscribe(event: string, listener: (event: any) => void): unknown;
}

export interface ScatterLibrary {
  default: { render(view: { model: Model; el: HTMLElement }): Promise<Cleanup> };
}
