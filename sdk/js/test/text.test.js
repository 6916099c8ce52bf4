// Ours against Node's: the same texts, the same bytes, the same replacements.
import assert from "node:assert/strict";
import test from "node:test";
import * as kit from "../text.js";

const TEXTS = ["", "plain", "Grüße", "日本語", "a\u{1F355}b", "\ud800", "x\udc00y", "\ud83c", "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10ffff}"];

test("text becomes the bytes that Node makes of it", () => {
  for (const text of TEXTS) assert.deepEqual(new kit.TextEncoder().encode(text), new TextEncoder().encode(text), JSON.stringify(text));
});

// A small generator, so that a failure can be repeated.
function* bytesOf(seed, runs) {
  let state = seed;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  // Bytes that matter: leads, continuations, and what is never allowed.
  const likely = [0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xa0, 0xed, 0x9f, 0xef, 0xbb, 0xf0, 0x90, 0xf4, 0x8f, 0xf5, 0xff];
  for (let run = 0; run < runs; run++) {
    yield Uint8Array.from({ length: next() % 12 }, () => (next() % 4 === 0 ? next() : likely[next() % likely.length]));
  }
}

test("any bytes become the text that Node makes of them", () => {
  const [ours, theirs] = [new kit.TextDecoder(), new TextDecoder()];
  const [strict, strictly] = [new kit.TextDecoder("utf-8", { fatal: true }), new TextDecoder("utf-8", { fatal: true })];
  for (const bytes of bytesOf(7, 20000)) {
    const shown = Buffer.from(bytes).toString("hex");
    assert.equal(ours.decode(bytes), theirs.decode(bytes), shown);
    const attempt = (decoder) => {
      try {
        return decoder.decode(bytes);
      } catch (error) {
        assert.ok(error instanceof TypeError);
        return null;
      }
    };
    assert.equal(attempt(strict), attempt(strictly), shown);
  }
});

test("a long text crosses the bound of one call", () => {
  const text = "ä\u{1F355}".repeat(10000);
  assert.equal(new kit.TextDecoder().decode(new TextEncoder().encode(text)), text);
});
