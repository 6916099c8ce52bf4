// Ours against Node's, on what a server meets.
import assert from "node:assert/strict";
import test from "node:test";
import * as kit from "../url.js";

const PARTS = ["href", "origin", "protocol", "host", "hostname", "port", "pathname", "search", "hash"];

test("absolute URLs have the parts that Node finds", () => {
  for (const text of [
    "http://example.com",
    "http://Example.COM:80/a/b?x=1&y=2#top",
    "https://example.com:443/",
    "https://example.com:8443/a/./b/../c/",
    "http://127.0.0.1:3000/orders/7?full=1",
    "http://[::1]:3000/x",
    "http://example.com/a/..?#",
    "http://example.com?q=1",
  ]) {
    const [ours, theirs] = [new kit.URL(text), new URL(text)];
    for (const part of PARTS) {
      // An empty query or fragment is kept in Node's `href` alone.
      if (part === "href" && /[?#]$/.test(text)) continue;
      assert.equal(ours[part], theirs[part], `${part} of ${text}`);
    }
  }
});

test("references are resolved as Node resolves them", () => {
  const base = "http://example.com/a/b?x=1";
  for (const text of ["/c", "c", "../c", "?y=2", "#z", "//other.example/d", "http://third.example/e"]) {
    assert.equal(new kit.URL(text, base).href, new URL(text, base).href, text);
  }
});

test("what is no URL is refused", () => {
  for (const text of ["", "orders", "http://", "/path"]) {
    assert.throws(() => new kit.URL(text), TypeError);
    assert.equal(kit.URL.canParse(text), false);
  }
});

test("queries are read and written as Node does", () => {
  for (const text of ["", "a=1&b=2&a=3", "?x", "x=&=y&&z=1+2%20%2B", "%E4=%C3%A4&bad=%zz", "q=it's+(fine)!~*"]) {
    const [ours, theirs] = [new kit.URLSearchParams(text), new URLSearchParams(text)];
    assert.deepEqual([...ours], [...theirs], text);
    assert.equal(ours.toString(), theirs.toString(), text);
    assert.deepEqual(ours.getAll("a"), theirs.getAll("a"));
    assert.equal(ours.get("none"), null);
  }
});

test("changing the query changes the URL", () => {
  const url = new kit.URL("http://example.com/?a=1");
  url.searchParams.set("b", "2 3");
  url.searchParams.append("a", "4");
  assert.equal(url.href, "http://example.com/?a=1&b=2+3&a=4");
  url.searchParams.delete("a");
  url.searchParams.set("b", "5");
  assert.equal(url.search, "?b=5");
  url.search = "";
  assert.equal(url.searchParams.size, 0);
});
