// UTF-8 in and out. QuickJS has neither TextEncoder nor TextDecoder.

export class TextEncoder {
  get encoding() {
    return "utf-8";
  }

  encode(input = "") {
    const text = String(input);
    // Three bytes a unit at most; a pair of surrogates, two units, needs four.
    const bytes = new Uint8Array(text.length * 3);
    let at = 0;
    for (let i = 0; i < text.length; i++) {
      let code = text.charCodeAt(i);
      if (code < 0x80) {
        bytes[at++] = code;
        continue;
      }
      if (code >= 0xd800 && code < 0xe000) {
        const next = code < 0xdc00 ? text.charCodeAt(i + 1) : 0;
        if (next >= 0xdc00 && next < 0xe000) {
          code = 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00);
          i++;
        } else {
          code = 0xfffd;
        }
      }
      if (code < 0x800) {
        bytes[at++] = 0xc0 | (code >> 6);
      } else {
        if (code < 0x10000) {
          bytes[at++] = 0xe0 | (code >> 12);
        } else {
          bytes[at++] = 0xf0 | (code >> 18);
          bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
        }
        bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
      }
      bytes[at++] = 0x80 | (code & 0x3f);
    }
    return bytes.slice(0, at);
  }
}

// The smallest code that needs this many continuation bytes: anything less is an overlong form.
const LEAST = [0, 0x80, 0x800, 0x10000];

export class TextDecoder {
  constructor(label = "utf-8", options = {}) {
    if (!/^(utf-?8|unicode-1-1-utf-8)$/i.test(label)) throw new RangeError(`\`${label}\` is not an encoding known here`);
    this.fatal = Boolean(options.fatal);
    this.ignoreBOM = Boolean(options.ignoreBOM);
  }

  get encoding() {
    return "utf-8";
  }

  decode(input) {
    const bytes = bytesOf(input);
    const parts = [];
    let units = [];
    let i = !this.ignoreBOM && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    while (i < bytes.length) {
      const first = bytes[i++];
      let code = first;
      if (first >= 0x80) {
        const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
        code = more === 0 ? -1 : first & (0x3f >> more);
        let seen = 0;
        while (code >= 0 && seen < more) {
          const next = bytes[i];
          const wrong =
            next === undefined ||
            (next & 0xc0) !== 0x80 ||
            // The second byte already tells an overlong form, a surrogate or a code beyond the last.
            (seen === 0 && ((first === 0xe0 && next < 0xa0) || (first === 0xed && next > 0x9f) || (first === 0xf0 && next < 0x90) || (first === 0xf4 && next > 0x8f)));
          if (wrong) {
            code = -1;
          } else {
            code = (code << 6) | (next & 0x3f);
            i++;
            seen++;
          }
        }
        if (code >= 0 && code < LEAST[more]) code = -1;
        if (code < 0) {
          if (this.fatal) throw new TypeError("the bytes are not UTF-8");
          code = 0xfffd;
        }
      }
      if (code < 0x10000) units.push(code);
      else units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
      // Bounded, since it becomes the arguments of one call.
      if (units.length >= 4096) {
        parts.push(String.fromCharCode.apply(null, units));
        units = [];
      }
    }
    parts.push(String.fromCharCode.apply(null, units));
    return parts.join("");
  }
}

export function bytesOf(input) {
  if (input === undefined) return new Uint8Array(0);
  if (input instanceof Uint8Array) return input;
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  throw new TypeError("this takes an ArrayBuffer or a view of one");
}
