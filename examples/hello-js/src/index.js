export default {
  fetch(request) {
    if (request.method === "POST") {
      return request.text().then((text) => new Response(text));
    }
    return new Response("Hello from JavaScript!\n");
  },
};
