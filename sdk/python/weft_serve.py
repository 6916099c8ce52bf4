"""From `wasi:http/incoming-handler` to `handle`. The module that componentize-py is given."""

import importlib
import sys
import traceback

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import types
from wit_world.imports.streams import StreamError_Closed

import weft
import weft_app

# What one call of `blocking-read` asks for, and the most that one of `blocking-write-and-flush` takes.
READ_BYTES = 64 * 1024
WRITE_BYTES = 4096

_handle = importlib.import_module(weft_app.MODULE).handle


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: types.IncomingRequest, response_out: types.ResponseOutparam) -> None:
        try:
            response = _handle(_read(request))
            if not isinstance(response, weft.Response):
                raise TypeError(f"`handle` must return a weft.Response, not {type(response).__name__}")
            outgoing = _outgoing(response)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            types.ResponseOutparam.set(response_out, Err(types.ErrorCode_InternalError(repr(error))))
            return
        body = outgoing.body()
        types.ResponseOutparam.set(response_out, Ok(outgoing))
        _send(body, response.body)


def _read(request: types.IncomingRequest) -> weft.Request:
    method = request.method()
    name = type(method).__name__.removeprefix("Method_").upper()
    if name == "OTHER":
        name = method.value
    fields = request.headers().entries()
    headers = weft.Headers((name, value.decode("utf-8", "replace")) for name, value in fields)
    return weft.Request(name, request.path_with_query() or "/", headers, _body(request))


def _body(request: types.IncomingRequest) -> bytes:
    chunks = []
    body = request.consume()
    stream = body.stream()
    while True:
        try:
            chunks.append(stream.blocking_read(READ_BYTES))
        except Err as error:
            # The stream belongs to the body: it goes first.
            stream.__exit__(None, None, None)
            body.__exit__(None, None, None)
            if isinstance(error.value, StreamError_Closed):
                return b"".join(chunks)
            raise ConnectionError("the client left before the body was complete") from None


def _outgoing(response: weft.Response) -> types.OutgoingResponse:
    fields = types.Fields.from_list([(name, value.encode()) for name, value in response.headers])
    outgoing = types.OutgoingResponse(fields)
    outgoing.set_status_code(response.status)
    return outgoing


def _send(body: types.OutgoingBody, data: bytes) -> None:
    stream = body.write()
    try:
        for at in range(0, len(data), WRITE_BYTES):
            stream.blocking_write_and_flush(data[at : at + WRITE_BYTES])
    except Err:
        # A client that left is no fault of ours.
        return
    finally:
        stream.__exit__(None, None, None)
    types.OutgoingBody.finish(body, None)
