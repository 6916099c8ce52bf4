// `env.store(name)`: key-value stores, as the manifest's `stores` names them. In the world with `--with key-value`.

import buckets from "wasi:keyvalue/store@0.2.0-draft2";
import atomics from "wasi:keyvalue/atomics@0.2.0-draft2";
import batch from "wasi:keyvalue/batch@0.2.0-draft2";
import { TextDecoder, TextEncoder, bytesOf } from "./text.js";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

// Why a store did not do as told: `no-such-store`, `access-denied`, or `other` with a text.
export class StoreError extends Error {
  constructor(name, cause) {
    const tag = cause?.tag ?? String(cause);
    super(`store \`${name}\`: ${cause?.val ?? tag}`);
    this.name = "StoreError";
    this.code = tag;
  }
}

function attempt(name, action) {
  try {
    return action();
  } catch (cause) {
    throw cause instanceof Error ? cause : new StoreError(name, cause);
  }
}

// Text as it is, bytes as they are, all else as JSON.
function encode(value) {
  if (typeof value === "string") return encoder.encode(value);
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return bytesOf(value);
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError("this value has no JSON form");
  return encoder.encode(text);
}

class Store {
  constructor(name) {
    this.name = name;
    this._bucket = attempt(name, () => buckets.open(name));
  }

  // The bytes, or null.
  getBytes(key) {
    return attempt(this.name, () => this._bucket.get(key));
  }

  // The text, or null.
  get(key) {
    const bytes = this.getBytes(key);
    return bytes === null ? null : decoder.decode(bytes);
  }

  // The value that was written as JSON, or null.
  getJson(key) {
    const text = this.get(key);
    return text === null ? null : JSON.parse(text);
  }

  set(key, value) {
    attempt(this.name, () => this._bucket.set(key, encode(value)));
  }

  delete(key) {
    attempt(this.name, () => this._bucket.delete(key));
  }

  has(key) {
    return attempt(this.name, () => this._bucket.exists(key));
  }

  // All keys, a page of the host at a time.
  *keys() {
    let cursor = null;
    do {
      const page = attempt(this.name, () => this._bucket.listKeys(cursor));
      yield* page.keys;
      cursor = page.cursor;
    } while (cursor !== null && cursor !== undefined);
  }

  // Values of many keys, as text or null, in their order.
  getMany(keys) {
    const found = attempt(this.name, () => batch.getMany(this._bucket, keys));
    return found.map((pair) => (pair === null ? null : decoder.decode(pair[1])));
  }

  // Adds to a number and answers the sum.
  increment(key, by = 1) {
    return attempt(this.name, () => atomics.increment(this._bucket, key, by));
  }

  // Replaces what is at `key` by `change(text or null)`, again if another write came first; null leaves it as it is.
  // Answers the new text, or null.
  update(key, change) {
    return attempt(this.name, () => {
      let cas = atomics.Cas.new(this._bucket, key);
      for (;;) {
        const current = cas.current();
        const next = change(current === null ? null : decoder.decode(current));
        if (next === null || next === undefined) return null;
        try {
          atomics.swap(cas, encode(next));
          return next;
        } catch (failure) {
          if (failure?.tag !== "cas-failed") throw failure?.val ?? failure;
          cas = failure.val;
        }
      }
    });
  }
}

// A bucket is a handle of one instance: kept for as long as that lives.
const open = new Map();

export function store(name = "default") {
  let found = open.get(name);
  if (found === undefined) open.set(name, (found = new Store(name)));
  return found;
}
