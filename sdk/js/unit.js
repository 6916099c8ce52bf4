// `env.unit`: several writes as one. In the world with `--with unit`. See wit/weft-store/unit.wit.

import host from "weft:store/unit@0.1.0";
import { TextDecoder, TextEncoder, bytesOf } from "./text.js";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

// Why nothing was written: `conflict` (with `check`, the index of the check that did not hold), `denied`, `invalid`,
// `unavailable`, or `unknown`, where it may have been.
export class UnitError extends Error {
  constructor(cause) {
    const tag = cause?.tag ?? "other";
    super(tag === "conflict" ? `check ${cause.val} did not hold` : String(cause?.val ?? cause));
    this.name = "UnitError";
    this.code = tag;
    if (tag === "conflict") this.check = cause.val;
  }
}

function attempt(action) {
  try {
    return action();
  } catch (cause) {
    throw cause instanceof Error ? cause : new UnitError(cause);
  }
}

function encode(value) {
  if (typeof value === "string") return encoder.encode(value);
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return bytesOf(value);
  return encoder.encode(JSON.stringify(value));
}

// What must hold.
export const check = {
  absent: (store, key) => ({ tag: "absent", val: { store, key } }),
  unchanged: (store, key, version) => ({ tag: "unchanged", val: [{ store, key }, version] }),
  length: (log, length) => ({ tag: "length", val: [log, length] }),
};

// What changes then. Text as it is, bytes as they are, all else as JSON; times are milliseconds or a Date.
export const write = {
  put: (store, key, value, expires = null) => ({
    tag: "put",
    val: { at: { store, key }, value: encode(value), expires: expires === null ? null : Number(expires) },
  }),
  delete: (store, key) => ({ tag: "delete", val: { store, key } }),
  append: (log, ...records) => ({ tag: "append", val: { log, records: records.map(encode) } }),
  arm: (timer, at, payload) => ({ tag: "arm", val: { timer, at: Number(at), payload: encode(payload) } }),
  disarm: (timer) => ({ tag: "disarm", val: timer }),
};

export const unit = {
  check,
  write,

  // All of `writes`, or, where one of `checks` does not hold, none.
  commit: (checks, writes) => attempt(() => host.commit(checks, writes)),

  // `{ text, version }`, or null.
  get(store, key) {
    const item = attempt(() => host.get({ store, key }));
    return item === null ? null : { text: decoder.decode(item.value), version: item.version };
  },

  // `{ key, text, version }` for each key that begins with `prefix`, in order, a page of the host at a time.
  *scan(store, prefix = "") {
    for (let after = null; ; ) {
      const page = attempt(() => host.scan(store, prefix, after, 1000));
      for (const { key, value, version } of page.entries) yield { key, text: decoder.decode(value), version };
      if (!page.more || page.entries.length === 0) return;
      after = page.entries[page.entries.length - 1].key;
    }
  },

  // The text of each record of a log from `start` on.
  *read(log, start = 0) {
    for (;;) {
      const records = attempt(() => host.read(log, start, 1000));
      if (records.length === 0) return;
      for (const record of records) yield decoder.decode(record);
      start += records.length;
    }
  },
};
