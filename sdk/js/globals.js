// What a server-side script expects to find and QuickJS does not bring. Imported before the application's own modules.

import { console } from "./console.js";
import { Headers } from "./headers.js";
import { Request, Response } from "./message.js";
import { crypto } from "./random.js";
import { TextDecoder, TextEncoder } from "./text.js";
import { URL, URLSearchParams } from "./url.js";

Object.assign(globalThis, { Headers, Request, Response, TextDecoder, TextEncoder, URL, URLSearchParams, console, crypto });
