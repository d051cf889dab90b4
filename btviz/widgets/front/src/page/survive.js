// Keeps a view alive whose script came late.
//
// anywidget gives a script two seconds. After that it draws the view all the same, but refuses every message from
// Python, and the view is dead to its kernel: on a machine that has much else to do, even a small script can be late.

/** @import { Model } from "../types" */

/** What ipywidgets ignores, and anywidget refuses with the rest. */
const PROBE = { content: { data: { method: "none" } }, buffers: [] };

/**
 * @typedef {object} WidgetModel  the model behind the one that anywidget hands out
 * @property {(message: object) => Promise<void>} [_handle_comm_msg]
 * @property {{ on_msg: (handle: (message: object) => unknown) => void, send: (data: object) => unknown }} [comm]
 */

/**
 * How ipywidgets itself takes a message, below what anywidget puts before it.
 *
 * @param {WidgetModel} model
 */
function handlerBelow(model) {
  const refusing = model._handle_comm_msg;
  let below = Object.getPrototypeOf(model);
  while (below?._handle_comm_msg === refusing) below = Object.getPrototypeOf(below);
  return /** @type {WidgetModel["_handle_comm_msg"]} */ (below?._handle_comm_msg);
}

/**
 * Comes back when the state is there that was refused so far: much of it follows a view's first message.
 *
 * @param {WidgetModel} model
 * @returns {Promise<void>}
 */
async function revive(model) {
  const { comm } = model;
  const handle = handlerBelow(model);
  if (!comm || !handle) return;
  await new Promise((done) => {
    comm.on_msg(async (/** @type {any} */ message) => {
      await handle.call(model, message);
      const { method, state } = message.content.data;
      if (method === "update" && "_esm" in state) done(undefined); // the whole state, and not a change of some of it
    });
    comm.send({ method: "request_state" });
  });
}

/**
 * Called as a view's script starts, before it draws; does nothing where that is in time.
 *
 * @param {{ model: Model }} view
 */
export async function survive({ model }) {
  const hidden = /** @type {WidgetModel | undefined} */ (model.set({})); // it gives itself back
  if (!hidden?._handle_comm_msg) return;
  const refusal = hidden._handle_comm_msg(PROBE).then(
    () => false,
    () => true,
  );
  const next = new Promise((done) => setTimeout(done, 0, false)); // in time, nothing is decided until this returns
  if (await Promise.race([refusal, next])) await revive(hidden);
  else {
    refusal.then((isRefused) => {
      if (isRefused) revive(hidden);
    });
  }
}
