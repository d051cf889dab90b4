// A drawing library that all views of a page share: sent once by each kernel, compiled once by the page.
//
// It comes packed in a model of its own, which a view refers to. So it is there as soon as the view is, also while
// the kernel runs another cell, and in a saved notebook that has no kernel. A view's own script stays small, because
// anywidget gives that two seconds to start, and gives up a view whose script takes longer.

/** @import { Host, Model } from "../types" */
import { button, element } from "./dom.js";
import { unpacked } from "./packed.js";

const PAGE = Symbol.for("btviz.libraries");
const LONGEST_IDLE_WAIT = 500; // milliseconds
const TRIES = 10; // each waits some two seconds for the model

/**
 * Libraries of this page by what is in them, so that views of several kernels share one.
 *
 * @returns {Map<string, Promise<any>>}
 */
function pageLibraries() {
  const page = /** @type {Record<symbol, Map<string, Promise<any>>>} */ (/** @type {unknown} */ (globalThis));
  page[PAGE] ??= new Map();
  return page[PAGE];
}

/** Let the small scripts of other views start before a large one is compiled. */
const idle = () =>
  new Promise((done) => {
    if ("requestIdleCallback" in globalThis) requestIdleCallback(done, { timeout: LONGEST_IDLE_WAIT });
    else setTimeout(done);
  });

/** @param {string} script */
async function imported(script) {
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    return await import(address);
  } finally {
    URL.revokeObjectURL(address);
  }
}

/**
 * The library that is so packed; compiled by whichever view comes first. A failure is forgotten, so that the next
 * view, or the same one later, can try again.
 *
 * @param {string} digest  of what is packed
 * @param {string} packed
 * @param {(script: string) => Promise<any>} [load]
 * @returns {Promise<any>}
 */
export function shared(digest, packed, load = imported) {
  const libraries = pageLibraries();
  const known = libraries.get(digest);
  if (known) return known;
  const loading = idle().then(() => unpacked(packed).then(load));
  libraries.set(digest, loading);
  loading.catch(() => libraries.delete(digest));
  return loading;
}

/**
 * @param {Host} host
 * @param {string} reference
 * @returns {Promise<Model>}
 */
async function modelOf(host, reference) {
  for (let tried = 1; ; tried++) {
    try {
      return await host.getModel(reference);
    } catch (error) {
      if (tried === TRIES) throw error; // a busy machine may bring it later than one try waits
    }
  }
}

/**
 * @param {Host} host
 * @param {string | null} reference  to the model that holds the library
 */
async function fetched(host, reference) {
  if (!reference) throw new Error("this view refers to no library");
  const holder = await modelOf(host, reference);
  return shared(holder.get("digest"), holder.get("packed"));
}

/**
 * The library that a view's model refers to. Until it is there `el` says so; should it not come, why, and what to do.
 *
 * @param {{ host: Host, model: Model, el: HTMLElement, signal?: AbortSignal }} view
 * @returns {Promise<any>}  does not come back where the view went before
 */
export async function drawingLibrary({ host, model, el, signal }) {
  const state = element("div", { class: "btviz-library", role: "status" }, "Loading the drawing library …");
  el.append(state);
  while (!signal?.aborted) {
    try {
      const library = await fetched(host, model.get("library"));
      state.remove();
      return library;
    } catch (error) {
      await askedAgain(state, error);
    }
  }
  return new Promise(() => {});
}

/**
 * @param {HTMLElement} state
 * @param {unknown} error
 */
function askedAgain(state, error) {
  return new Promise((again) => {
    const found = error instanceof Error ? error.message : String(error);
    const retry = () => {
      state.replaceChildren("Loading the drawing library …");
      again(undefined);
    };
    state.replaceChildren(
      `This view asked for its drawing library. The browser says: ${found}. Try again, or run this cell again.`,
      button("Try again", "Ask for the drawing library again", retry),
    );
  });
}
