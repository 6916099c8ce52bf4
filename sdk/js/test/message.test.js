import assert from "node:assert/strict";
import test from "node:test";
import { Headers } from "../headers.js";
import { Request, Response } from "../message.js";
import { serve } from "../serve.js";

const LINES = "host: example.com\r\naccept: a\r\naccept: b\r\nset-cookie: x=1\r\nset-cookie: y=2\r\n";
const NONE = { tag: "none" };

test("headers are read from the host's lines and written as such", () => {
  const headers = Headers._of(LINES);
  assert.equal(headers._text(), LINES, "untouched lines are passed on");
  assert.equal(headers.get("Accept"), "a, b");
  assert.deepEqual(headers.getSetCookie(), ["x=1", "y=2"]);
  headers.set("X-One", " 1 ");
  headers.delete("accept");
  assert.equal(headers._text(), "host: example.com\r\nset-cookie: x=1\r\nset-cookie: y=2\r\nx-one: 1\r\n");
});

test("headers list as Node's do", () => {
  const fields = [["b", "2"], ["A", "1"], ["a", "3"], ["set-cookie", "x"], ["Set-Cookie", "y"]];
  const [ours, theirs] = [new Headers(fields), new globalThis.Headers(fields)];
  assert.deepEqual([...ours], [...theirs]);
  assert.deepEqual([...ours.keys()], [...theirs.keys()]);
});

test("a header cannot carry another", () => {
  for (const value of ["a\r\nb: c", "a\nb: c", "a\0"]) assert.throws(() => new Headers({ x: value }), TypeError);
  for (const name of ["", "a b", "a:b", "ä", "a\n"]) assert.throws(() => new Headers({ [name]: "x" }), TypeError);
});

test("a request has what the host says of it", async () => {
  const request = Request._of("POST", "/orders/7?full=1", "example.com:3000", LINES, { tag: "text", val: '{"a":1}' });
  assert.equal(request.url, "http://example.com:3000/orders/7?full=1");
  assert.equal(request.path, "/orders/7");
  assert.equal(request.headers.get("host"), "example.com");
  assert.deepEqual(await request.json(), { a: 1 });
  await assert.rejects(request.text(), TypeError);
});

test("a body is read in each form, whichever it came in", async () => {
  const bytes = Uint8Array.from([0xc3, 0xa4]);
  for (const body of [{ tag: "text", val: "ä" }, { tag: "bytes", val: bytes }]) {
    const request = () => Request._of("POST", "/", "h", "", body);
    assert.equal(await request().text(), "ä");
    assert.deepEqual(await request().bytes(), bytes);
    assert.deepEqual(new Uint8Array(await request().arrayBuffer()), bytes);
  }
});

test("a response becomes the host's strings", () => {
  assert.deepEqual(new Response("hi")._answer(), {
    status: 200,
    headers: "content-type: text/plain;charset=UTF-8\r\n",
    body: { tag: "text", val: "hi" },
  });
  assert.deepEqual(Response.json({ a: 1 }, { status: 201 })._answer(), {
    status: 201,
    headers: "content-type: application/json\r\n",
    body: { tag: "text", val: '{"a":1}' },
  });
  assert.deepEqual(new Response(null, { status: 204 })._answer(), { status: 204, headers: "", body: NONE });
  assert.deepEqual(Response.redirect("/x")._answer().headers, "location: /x\r\n");
  const bytes = Uint8Array.from([1, 255]);
  assert.deepEqual(new Response(bytes)._answer().body, { tag: "bytes", val: bytes });
  for (const status of [100, 600, "x"]) assert.throws(() => new Response("", { status }), RangeError);
});

const call = (handler) => handler.handle(1, "GET", "/", "h", "", NONE);

test("a plain function answers at once", () => {
  const answer = call(serve({ fetch: (request, env) => new Response(env.word) }, { word: "now" }));
  assert.equal(answer.body.val, "now");
});

test("a promise, or an async function, answers when it is settled", async () => {
  let begun = 0;
  const apps = [
    { fetch: () => Promise.resolve(new Response("later")) },
    { async fetch() { begun++; return new Response("later"); } },
  ];
  for (const app of apps) {
    const handler = serve(app, {});
    assert.equal(call(handler), null);
    assert.equal((await handler.settle(1)).body.val, "later");
  }
  assert.equal(begun, 1);
});

test("calls that wait are kept apart", async () => {
  const handler = serve({ fetch: async (request) => new Response(request.path) }, {});
  for (const number of [1, 2, 3]) assert.equal(handler.handle(number, "GET", `/${number}`, "h", "", NONE), null);
  for (const number of [3, 1, 2]) assert.equal((await handler.settle(number)).body.val, `/${number}`);
});

test("what a handler throws becomes a text, at once or later", async () => {
  const fails = (text) => (thrown) => typeof thrown === "string" && thrown.includes(text);
  assert.throws(() => call(serve({ fetch() { throw new Error("at once"); } }, {})), fails("at once"));
  assert.throws(() => call(serve({ fetch: () => "no response" }, {})), fails("must return a Response"));
  for (const app of [{ fetch: () => Promise.reject(new Error("later")) }, { async fetch() { throw new Error("later"); } }]) {
    const handler = serve(app, {});
    assert.equal(call(handler), null);
    await assert.rejects(handler.settle(1), fails("later"));
  }
});

test("a module without a handler is refused while it is built", () => {
  for (const app of [undefined, {}, { fetch: 7 }]) assert.throws(() => serve(app, {}), /export default/);
});
