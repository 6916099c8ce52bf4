export default {
  fetch(request) {
    if (request.method === "POST") return echo(request);
    return new Response("Hello from JavaScript!\n");
  },
};

async function echo(request) {
  return new Response(await request.bytes(), { headers: { "content-type": "text/plain" } });
}
