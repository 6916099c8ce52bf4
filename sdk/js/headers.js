// Header fields: parsed when first asked for, since most handlers look at few or none.

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// What would end a line: a value that held it could add fields of its own.
const BREAK = /[\r\n\0]/;
const lower = new Map();

function nameOf(name) {
  const known = lower.get(name);
  if (known !== undefined) return known;
  const text = String(name);
  if (!NAME.test(text)) throw new TypeError(`\`${text}\` is not a header name`);
  const folded = text.toLowerCase();
  // Bounded: names may come from outside.
  if (lower.size < 256) lower.set(text, folded);
  return folded;
}

function valueOf(name, value) {
  const text = String(value).trim();
  if (BREAK.test(text)) throw new TypeError(`the value of \`${name}\` holds a line break`);
  return text;
}

export class Headers {
  constructor(init) {
    this._lines = null;
    this._map = null;
    if (init === undefined || init === null) return;
    if (init instanceof Headers) {
      this._lines = init._text();
    } else if (typeof init[Symbol.iterator] === "function") {
      for (const [name, value] of init) this.append(name, value);
    } else {
      for (const name of Object.keys(init)) this.append(name, init[name]);
    }
  }

  // From the lines of the host: valid by its promise, and not looked at before they are needed.
  static _of(lines) {
    const headers = new Headers();
    headers._lines = lines;
    return headers;
  }

  _fields() {
    if (this._map !== null) return this._map;
    const map = (this._map = new Map());
    if (this._lines !== null) {
      for (const line of this._lines.split("\r\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) put(map, line.slice(0, colon), line.slice(colon + 1).trim());
      }
      this._lines = null;
    }
    return map;
  }

  // As the host takes them.
  _text() {
    if (this._map === null) return this._lines ?? "";
    let text = "";
    for (const [name, value] of this._map) {
      if (typeof value === "string") text += `${name}: ${value}\r\n`;
      else for (const one of value) text += `${name}: ${one}\r\n`;
    }
    return text;
  }

  append(name, value) {
    const key = nameOf(name);
    put(this._fields(), key, valueOf(key, value));
  }

  set(name, value) {
    const key = nameOf(name);
    const text = valueOf(key, value);
    this._fields().set(key, key === "set-cookie" ? [text] : text);
  }

  get(name) {
    const value = this._fields().get(nameOf(name));
    if (value === undefined) return null;
    return typeof value === "string" ? value : value.join(", ");
  }

  has(name) {
    return this._fields().has(nameOf(name));
  }

  delete(name) {
    this._fields().delete(nameOf(name));
  }

  getSetCookie() {
    return [...(this._fields().get("set-cookie") ?? [])];
  }

  *entries() {
    const fields = this._fields();
    for (const name of [...fields.keys()].sort()) {
      const value = fields.get(name);
      if (typeof value === "string") yield [name, value];
      else for (const one of value) yield [name, one];
    }
  }

  *keys() {
    for (const [name] of this.entries()) yield name;
  }

  *values() {
    for (const [, value] of this.entries()) yield value;
  }

  forEach(visit, self) {
    for (const [name, value] of this.entries()) visit.call(self, value, name, this);
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

// Cookies must not be joined by a comma; all else may.
function put(map, name, value) {
  const before = map.get(name);
  if (name === "set-cookie") map.set(name, before === undefined ? [value] : [...before, value]);
  else map.set(name, before === undefined ? value : `${before}, ${value}`);
}
