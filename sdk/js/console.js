// `console`: a line each on standard output or standard error, which the platform ties to the request's trace.

import stdout from "wasi:cli/stdout@0.2.12";
import stderr from "wasi:cli/stderr@0.2.12";
import { TextEncoder } from "./text.js";

const encoder = new TextEncoder();
// What one call of `blocking-write-and-flush` takes.
const CHUNK = 4096;

function show(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value}\n${value.stack ?? ""}`.trimEnd();
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    // A cycle, or a BigInt.
    return Object.prototype.toString.call(value);
  }
}

function print(stream, values) {
  const bytes = encoder.encode(values.map(show).join(" ") + "\n");
  try {
    for (let at = 0; at < bytes.length; at += CHUNK) stream.blockingWriteAndFlush(bytes.slice(at, at + CHUNK));
  } catch {
    // No one reads it: a handler must not fail because of that.
  }
}

// A stream is a handle of one instance, so it is taken when first used and not while the snapshot is made.
let out = null;
let err = null;
const toOut = (...values) => print((out ??= stdout.getStdout()), values);
const toErr = (...values) => print((err ??= stderr.getStderr()), values);

export const console = { log: toOut, info: toOut, debug: toOut, trace: toOut, warn: toErr, error: toErr };
