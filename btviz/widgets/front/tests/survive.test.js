import assert from "node:assert/strict";
import { test } from "node:test";
import { survive } from "../src/page/survive.js";

/** A model as ipywidgets makes it, and as anywidget makes it from that. */
class Base {
  taken = [];
  sent = [];
  comm = {
    on_msg: (handle) => {
      this.comm.handle = handle;
    },
    send: (data) => this.sent.push(data.method),
  };
  async _handle_comm_msg({ content: { data } }) {
    if (data.method !== "none") this.taken.push(data.method);
  }
}
class Anywidget extends Base {
  constructor(ready) {
    super();
    this.ready = ready;
    this.comm.handle = (message) => this._handle_comm_msg(message);
  }
  async _handle_comm_msg(message) {
    await this.ready;
    return super._handle_comm_msg(message);
  }
}

const proxy = (model) => ({ set: () => model });
const arrives = (model, method, state = {}) => model.comm.handle({ content: { data: { method, state } } });
const settled = () => new Promise((done) => setTimeout(done));

test("a view in time is left as it is", async () => {
  const model = new Anywidget(Promise.resolve());
  const { handle } = model.comm;
  await survive({ model: proxy(model) });
  assert.equal(model.comm.handle, handle);
  assert.deepEqual(model.sent, []);
});

test("a late view takes messages again, and asks for what it missed", async () => {
  const late = Promise.reject(new Error("[anywidget] Failed to initialize model."));
  late.catch(() => {});
  const model = new Anywidget(late);
  await assert.rejects(arrives(model, "update"));
  const drawn = survive({ model: proxy(model) }).then(() => model.taken.push("drawn"));
  await settled();
  await settled();
  assert.deepEqual(model.sent, ["request_state"]);
  await arrives(model, "update", { busy: {} });
  await arrives(model, "update", { busy: {}, _esm: "…" });
  await drawn;
  assert.deepEqual(model.taken, ["update", "update", "drawn"]); // not before it knows all that it is to draw
});

test("a view that is refused while it starts takes messages again", async () => {
  let expire;
  const model = new Anywidget(
    new Promise((_, reject) => {
      expire = reject;
    }),
  );
  await survive({ model: proxy(model) }); // does not wait for what only its return decides
  expire(new Error("late"));
  await settled();
  assert.deepEqual(model.sent, ["request_state"]);
});

test("a view without a kernel has nothing to ask", async () => {
  const late = Promise.reject(new Error("late"));
  late.catch(() => {});
  const model = new Anywidget(late);
  model.comm = undefined;
  await survive({ model: proxy(model) });
  assert.deepEqual(model.sent, []);
});

test("where a host hides the model there is nothing to do", async () => {
  await survive({ model: { set: () => undefined } });
  await survive({ model: proxy({}) });
});
