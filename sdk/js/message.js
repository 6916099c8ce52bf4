// Request and Response, as in the Fetch standard, over the strings of `weft:http/handler`.

import { Headers } from "./headers.js";
import { TextDecoder, TextEncoder, bytesOf } from "./text.js";
import { URLSearchParams } from "./url.js";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

// Bodies are whole: the host has them before the handler runs. They can be read once, as the standard says.
class Message {
  _take() {
    if (this.bodyUsed) throw new TypeError("the body was already read");
    this.bodyUsed = true;
    return this._body;
  }

  async text() {
    return asText(this._take());
  }

  async json() {
    return JSON.parse(asText(this._take()));
  }

  async bytes() {
    return asBytes(this._take());
  }

  async arrayBuffer() {
    const bytes = asBytes(this._take());
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  }

  // Forms of type `application/x-www-form-urlencoded` only.
  async formData() {
    return new URLSearchParams(asText(this._take()));
  }
}

export class Request extends Message {
  constructor(input, init = {}) {
    super();
    const from = input instanceof Request ? input : null;
    this.method = String(init.method ?? from?.method ?? "GET");
    this._url = from === null ? String(input) : from.url;
    this._target = null;
    this._headers = new Headers(init.headers ?? from?.headers);
    this._lines = null;
    this._body = init.body === undefined ? (from?._body ?? null) : bodyOf(init.body);
    this.bodyUsed = false;
  }

  // Of the host's strings, which are turned into objects when first asked for.
  static _of(method, target, authority, lines, body) {
    const request = Object.create(Request.prototype);
    request.method = method;
    request._url = null;
    request._target = target;
    request._authority = authority;
    request._headers = null;
    request._lines = lines;
    request._body = body.tag === "none" ? null : body.val;
    request.bodyUsed = false;
    return request;
  }

  get url() {
    return (this._url ??= `http://${this._authority}${this._target}`);
  }

  // The path with its query. Not in the standard; saves a handler from parsing the whole URL.
  get target() {
    return (this._target ??= this.url.replace(/^[a-z]+:\/\/[^/?#]*/i, "") || "/");
  }

  // The path alone. Not in the standard.
  get path() {
    const target = this.target;
    const query = target.indexOf("?");
    return query < 0 ? target : target.slice(0, query);
  }

  get headers() {
    return (this._headers ??= Headers._of(this._lines));
  }

  clone() {
    return new Request(this);
  }
}

const PLAIN = "content-type: text/plain;charset=UTF-8\r\n";
const JSON_TYPE = "application/json";
const FORM = "application/x-www-form-urlencoded;charset=UTF-8";

export class Response extends Message {
  constructor(body = null, init = undefined) {
    super();
    this.status = 200;
    this.bodyUsed = false;
    this._lines = "";
    this._headers = null;
    if (init !== undefined && init !== null) {
      if (init.status !== undefined) this.status = statusOf(init.status);
      if (init.headers !== undefined) this._headers = new Headers(init.headers);
    }
    if (typeof body === "string") {
      this._body = body;
      if (this._headers === null) this._lines = PLAIN;
      else if (!this._headers.has("content-type")) this._headers.set("content-type", "text/plain;charset=UTF-8");
    } else {
      this._body = bodyOf(body);
      if (body instanceof URLSearchParams && !this.headers.has("content-type")) this.headers.set("content-type", FORM);
    }
  }

  static json(data, init = undefined) {
    const headers = new Headers(init?.headers);
    if (!headers.has("content-type")) headers.set("content-type", JSON_TYPE);
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("this value has no JSON form");
    return new Response(text, { status: init?.status ?? 200, headers });
  }

  static redirect(url, status = 302) {
    return new Response(null, { status, headers: { location: String(url) } });
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  get headers() {
    return (this._headers ??= Headers._of(this._lines));
  }

  clone() {
    return new Response(this._body, { status: this.status, headers: this.headers });
  }

  // As the host takes it.
  _answer() {
    const body = this._body;
    return {
      status: this.status,
      headers: this._headers === null ? this._lines : this._headers._text(),
      body: body === null ? { tag: "none" } : { tag: typeof body === "string" ? "text" : "bytes", val: body },
    };
  }
}

function statusOf(status) {
  const number = Number(status);
  if (!Number.isInteger(number) || number < 200 || number > 599) throw new RangeError(`${status} is not a status of a response`);
  return number;
}

function bodyOf(body) {
  if (body === null || body === undefined) return null;
  if (typeof body === "string") return body;
  if (body instanceof URLSearchParams) return body.toString();
  return bytesOf(body);
}

function asText(body) {
  if (body === null) return "";
  return typeof body === "string" ? body : decoder.decode(body);
}

function asBytes(body) {
  if (body === null) return new Uint8Array(0);
  return typeof body === "string" ? encoder.encode(body) : body;
}
