import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";
import { shared } from "../src/page/library.js";
import { unpacked } from "../src/page/packed.js";

const pack = (script) => gzipSync(script).toString("base64");

beforeEach(() => {
  delete globalThis[Symbol.for("btviz.libraries")];
});

test("what was packed comes out as it went in", async () => {
  assert.equal(
    await unpacked(pack("export const tea = 'Grüntee 👍🏽';")),
    "export const tea = 'Grüntee 👍🏽';",
  );
});

test("views of a page share one library, loaded once", async () => {
  let loads = 0;
  const load = async (script) => ({ script, number: ++loads });
  const [first, second] = await Promise.all([shared("a", pack("one"), load), shared("a", pack("one"), load)]);
  assert.equal(first, second);
  assert.equal(first.script, "one");
  assert.equal(await shared("a", pack("one"), load), first); // a view that comes later
  assert.equal(loads, 1);
});

test("libraries of another content are others: two kernels may have two versions", async () => {
  const load = async (script) => script;
  assert.deepEqual(await Promise.all([shared("a", pack("one"), load), shared("b", pack("two"), load)]), [
    "one",
    "two",
  ]);
});

test("a failure reaches every view that waits, and the next one tries again", async () => {
  let loads = 0;
  const load = async (script) => {
    if (++loads === 1) throw new Error("no memory");
    return script;
  };
  const waiting = [shared("a", pack("one"), load), shared("a", pack("one"), load)];
  for (const one of waiting) await assert.rejects(one, /no memory/);
  assert.equal(await shared("a", pack("one"), load), "one");
});

test("what is damaged is refused", async () => {
  await assert.rejects(shared("a", "no gzip", async () => "never"));
  await assert.rejects(shared("b", btoa("no gzip"), async () => "never"));
});
