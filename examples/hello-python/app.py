from weft import Request, Response


def handle(request: Request) -> Response:
    if request.method == "POST":
        return Response(request.body, headers={"content-type": "text/plain"})
    return Response("Hello from Python!\n")
