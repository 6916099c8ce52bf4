// The part of URL that a server needs: absolute http and https URLs, references relative to them, and query strings.

const ABSOLUTE = /^([a-z][a-z0-9+.\-]*):\/\/([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/i;
const PORTS = { "http:": "80", "https:": "443" };

function decode(text) {
  const spaced = text.replace(/\+/g, " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    // A stray `%` is data.
    return spaced.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
      try {
        return decodeURIComponent(run);
      } catch {
        return "\ufffd";
      }
    });
  }
}

function encode(text) {
  return encodeURIComponent(text).replace(/%20/g, "+").replace(/[!'()~]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
}

export class URLSearchParams {
  constructor(init = "") {
    this._pairs = [];
    this._url = null;
    if (typeof init === "string") {
      const text = init[0] === "?" ? init.slice(1) : init;
      for (const part of text.split("&")) {
        if (part === "") continue;
        const equals = part.indexOf("=");
        if (equals < 0) this._pairs.push([decode(part), ""]);
        else this._pairs.push([decode(part.slice(0, equals)), decode(part.slice(equals + 1))]);
      }
    } else {
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const [name, value] of pairs) this._pairs.push([String(name), String(value)]);
    }
  }

  _changed() {
    if (this._url !== null) {
      const text = this.toString();
      this._url._search = text === "" ? "" : `?${text}`;
    }
  }

  get size() {
    return this._pairs.length;
  }

  get(name) {
    const pair = this._pairs.find(([key]) => key === name);
    return pair === undefined ? null : pair[1];
  }

  getAll(name) {
    return this._pairs.filter(([key]) => key === name).map(([, value]) => value);
  }

  has(name, value) {
    return this._pairs.some(([key, one]) => key === name && (value === undefined || one === value));
  }

  append(name, value) {
    this._pairs.push([String(name), String(value)]);
    this._changed();
  }

  set(name, value) {
    const at = this._pairs.findIndex(([key]) => key === name);
    if (at < 0) return this.append(name, value);
    this._pairs = this._pairs.filter(([key], index) => key !== name || index === at);
    this._pairs[at] = [String(name), String(value)];
    this._changed();
  }

  delete(name) {
    this._pairs = this._pairs.filter(([key]) => key !== name);
    this._changed();
  }

  sort() {
    this._pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this._changed();
  }

  forEach(visit, self) {
    for (const [name, value] of this._pairs) visit.call(self, value, name, this);
  }

  keys() {
    return this._pairs.map(([name]) => name).values();
  }

  values() {
    return this._pairs.map(([, value]) => value).values();
  }

  entries() {
    return this._pairs.map((pair) => [...pair]).values();
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  toString() {
    return this._pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&");
  }
}

// Removes `.` and `..`, as RFC 3986, 5.2.4 has it.
function tidy(path) {
  const out = [];
  const parts = path.split("/").slice(1);
  parts.forEach((part, index) => {
    const last = index === parts.length - 1;
    if (part === "..") out.pop();
    if (part === ".." || part === ".") {
      if (last) out.push("");
    } else {
      out.push(part);
    }
  });
  return "/" + out.join("/");
}

export class URL {
  constructor(input, base) {
    const text = String(input);
    let parts = ABSOLUTE.exec(text);
    if (parts === null) {
      if (base === undefined) throw new TypeError(`\`${text}\` is not an absolute URL`);
      parts = ABSOLUTE.exec(resolve(text, base instanceof URL ? base : new URL(base)));
    }
    const [, scheme, authority, path, search, hash] = parts;
    this.protocol = `${scheme.toLowerCase()}:`;
    const host = /^(?:.*@)?(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority);
    if (host === null || host[1] === "") throw new TypeError(`\`${text}\` has no valid host`);
    this.hostname = host[1].toLowerCase();
    this.port = host[2] === undefined || host[2] === PORTS[this.protocol] ? "" : host[2];
    this.pathname = tidy(path === "" ? "/" : path);
    this.hash = hash === undefined || hash === "#" ? "" : hash;
    this._search = search === undefined || search === "?" ? "" : search;
    this._params = null;
  }

  static canParse(input, base) {
    try {
      return Boolean(new URL(input, base));
    } catch {
      return false;
    }
  }

  get host() {
    return this.port === "" ? this.hostname : `${this.hostname}:${this.port}`;
  }

  get origin() {
    return `${this.protocol}//${this.host}`;
  }

  get search() {
    return this._search;
  }

  set search(text) {
    this._search = text === "" || text === "?" ? "" : text[0] === "?" ? text : `?${text}`;
    this._params = null;
  }

  get searchParams() {
    if (this._params === null) {
      this._params = new URLSearchParams(this._search);
      this._params._url = this;
    }
    return this._params;
  }

  get href() {
    return this.origin + this.pathname + this._search + this.hash;
  }

  toString() {
    return this.href;
  }

  toJSON() {
    return this.href;
  }
}

function resolve(reference, base) {
  if (reference.startsWith("//")) return base.protocol + reference;
  if (reference.startsWith("/")) return base.origin + reference;
  if (reference.startsWith("?")) return base.origin + base.pathname + reference;
  if (reference.startsWith("#") || reference === "") return base.origin + base.pathname + base.search + reference;
  return base.origin + base.pathname.slice(0, base.pathname.lastIndexOf("/") + 1) + reference;
}
