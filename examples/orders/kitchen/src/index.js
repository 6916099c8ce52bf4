// What the kitchen does with an order: `POST /orders/:id/accept` and `POST /orders/:id/complete`.

// From which state, to which, and what else changes then.
const STEPS = {
  accept: { from: "placed", to: "accepted" },
  complete: { from: "accepted", to: "completed" },
};

const STORE = "default";
const LOG = "orders";
// Two cooks may press a button at once; more often than this, something else is wrong.
const TRIES = 5;

export default {
  fetch(request, env) {
    const [, orders, id, step] = request.path.split("/");
    if (orders !== "orders" || !Object.hasOwn(STEPS, step)) return problem(404, "There is no such thing.");
    return advance(id, step, env.unit);
  },
};

function advance(id, step, unit) {
  const { check, write } = unit;
  const { from, to } = STEPS[step];
  const key = `order/${id}`;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const item = unit.get(STORE, key);
    if (item === null) return problem(404, "There is no such thing.", `there is no order \`${id}\``);
    const order = JSON.parse(item.text);
    // Done before, by us or by someone else: nothing is left to do.
    if (order.state === to) return Response.json(order);
    if (order.state !== from) {
      return problem(409, "The order is not in the right state.", `it is ${order.state}; only one that is ${from} can be ${to}`);
    }
    const at = Date.now();
    const next = { ...order, state: to, [to]: at };
    const writes = [
      write.put(STORE, key, next),
      write.append(LOG, { event: to, order: id, restaurant: order.restaurant, at }),
    ];
    if (step === "accept") writes.push(write.disarm(`accept/${id}`));
    try {
      unit.commit([check.unchanged(STORE, key, item.version)], writes);
      return Response.json(next);
    } catch (error) {
      if (error.code !== "conflict") throw error;
    }
  }
  return problem(503, "The order is being changed by others.", "try again", { "retry-after": "1" });
}

function problem(status, title, detail, headers = {}) {
  return Response.json({ status, title, detail }, { status, headers: { ...headers, "content-type": "application/problem+json" } });
}
