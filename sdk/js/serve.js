// From `weft:http/handler` to `export default { fetch(request, env) { … } }`.

import { Request, Response } from "./message.js";

const AsyncFunction = (async () => {}).constructor;

function answerOf(response) {
  if (response instanceof Response) return response._answer();
  throw new TypeError("`fetch` must return a Response");
}

// The text for the log: what was thrown and where.
function describe(error) {
  if (error instanceof Error) return `${error}\n${error.stack ?? ""}`.trimEnd();
  return String(error);
}

// `env` is what the application was built with: see the modules beside this one.
export function serve(app, env) {
  if (typeof app?.fetch !== "function") {
    throw new TypeError("the module must have `export default { fetch(request, env) { … } }`");
  }
  const waiting = new Map();
  // An `async` function has no answer at once, so it is not begun before the host comes back for it. This also means
  // that whatever it awaits belongs to an asynchronous call, which is where the host can wait.
  const later = app.fetch instanceof AsyncFunction;

  return {
    handle(call, method, target, authority, headers, body) {
      const request = Request._of(method, target, authority, headers, body);
      if (later) {
        waiting.set(call, request);
        return null;
      }
      let result;
      try {
        result = app.fetch(request, env);
        if (result instanceof Response) return result._answer();
        if (typeof result?.then !== "function") return answerOf(result);
      } catch (error) {
        throw describe(error);
      }
      waiting.set(call, result);
      return null;
    },

    async settle(call) {
      const held = waiting.get(call);
      waiting.delete(call);
      try {
        return answerOf(await (held instanceof Request ? app.fetch(held, env) : held));
      } catch (error) {
        throw describe(error);
      }
    },
  };
}
