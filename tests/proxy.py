"""A server in front of another one, which answers for it where a test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

Answer = Callable[[str, str], int]
"""The status that a method and path are answered with; 0 to ask the server behind."""


class _Handler(BaseHTTPRequestHandler):
    behind = ""
    answer: Answer

    def _reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if status := type(self).answer(self.command, self.path):
            self._send(status, {"Content-Type": "text/html"}, b"<html>no</html>")
            return
        parts = urlsplit(self.behind)
        server = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        kept = {k: v for k, v in self.headers.items() if k not in ("Host", "Accept-Encoding")}
        server.request(self.command, self.path, body, kept)
        reply = server.getresponse()
        content = reply.read()
        headers = {"Content-Type": reply.headers.get("Content-Type", "application/json")}
        self._send(reply.status, headers, content)
        server.close()

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _reply

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def proxy(behind: str, answer: Answer) -> Iterator[str]:
    """The address of a server on 127.0.0.1 that passes on what ``answer`` does not answer."""
    handler = type("Handler", (_Handler,), {"behind": behind, "answer": staticmethod(answer)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()
