"""A handler in Python: a function from Request to Response.

`weft componentize python` serves the function `handle` of the application's module over `wasi:http` 0.2.
"""

import json as _json
from typing import Any, Iterable, Mapping
from urllib.parse import parse_qsl, unquote

__all__ = ["Headers", "Request", "Response"]


class Headers:
    """Header fields. Names are compared without case; a name may occur more than once."""

    def __init__(self, fields: Iterable[tuple[str, str]] | Mapping[str, str] = ()):
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        self._fields = [(name.lower(), value) for name, value in pairs]

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value."""
        name = name.lower()
        return next((value for key, value in self._fields if key == name), default)

    def get_all(self, name: str) -> list[str]:
        name = name.lower()
        return [value for key, value in self._fields if key == name]

    def set(self, name: str, value: str) -> None:
        name = name.lower()
        self._fields = [field for field in self._fields if field[0] != name]
        self._fields.append((name, value))

    def add(self, name: str, value: str) -> None:
        self._fields.append((name.lower(), value))

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __iter__(self):
        return iter(self._fields)


class Request:
    """One request. `body` is whole: the route's body limit bounds it."""

    def __init__(self, method: str, target: str, headers: Headers, body: bytes):
        self.method = method
        #: The path with its query, as sent.
        self.target = target
        path, _, query = target.partition("?")
        #: The path alone, decoded.
        self.path = unquote(path)
        self._query = query
        self.headers = headers
        self.body = body

    @property
    def query(self) -> dict[str, str]:
        """The query's arguments; of a repeated one, the last."""
        return dict(parse_qsl(self._query, keep_blank_values=True))

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return _json.loads(self.body)


class Response:
    """An answer. Text is sent as UTF-8."""

    def __init__(self, body: str | bytes = b"", status: int = 200, headers: Headers | Mapping[str, str] | None = None):
        self.status = status
        self.headers = headers if isinstance(headers, Headers) else Headers(headers or {})
        if isinstance(body, str):
            body = body.encode()
            if "content-type" not in self.headers:
                self.headers.set("content-type", "text/plain; charset=utf-8")
        self.body = body

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Headers | Mapping[str, str] | None = None) -> "Response":
        response = cls(_json.dumps(value, separators=(",", ":")).encode(), status, headers)
        if "content-type" not in response.headers:
            response.headers.set("content-type", "application/json")
        return response
