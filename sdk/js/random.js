// Randomness. The engine seeds `Math.random` while the snapshot is made, so every fresh instance would draw the same
// numbers; here the host seeds it, once an instance, when first used.

import random from "wasi:random/random@0.2.12";

let state = null;

// xoshiro128**, for speed and never for secrets: that is what `crypto` is for.
function next() {
  if (state === null) {
    const bytes = random.getRandomBytes(16);
    state = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 16));
    state[0] |= 1;
  }
  const s1 = state[1];
  const five = Math.imul(s1, 5);
  const result = Math.imul((five << 7) | (five >>> 25), 9);
  state[2] ^= state[0];
  state[3] ^= s1;
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= s1 << 9;
  state[3] = (state[3] << 11) | (state[3] >>> 21);
  return result >>> 0;
}

Math.random = () => (next() * 0x200000 + (next() >>> 11)) / 0x20000000000000;

// The most that the standard lets one call ask for.
const AT_ONCE = 65536;

export const crypto = {
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array)) throw new TypeError("this takes a typed array");
    if (array.byteLength > AT_ONCE) throw new RangeError(`at most ${AT_ONCE} bytes at once`);
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(random.getRandomBytes(array.byteLength));
    return array;
  },

  randomUUID() {
    const bytes = random.getRandomBytes(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
};
