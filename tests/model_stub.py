"""A provider's HTTP API as far as the optional model speaks it: one chat completion that calls the output tool."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], Any]


@dataclass
class Stub:
    """What the server was sent, byte by byte, and what it answers: suggestions, a status, or anything at all."""

    answer: Answer
    status: int = 200
    wait_s: float = 0.0
    bodies: list[bytes] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    base_url: str = ""


@contextmanager
def serving(answer: Answer, *, status: int = 200, wait_s: float = 0.0) -> Iterator[Stub]:
    """A server on a free port; *answer* gets the question that was asked and gives the tool's arguments."""
    stub = Stub(answer, status, wait_s)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stub.bodies.append(body)
            stub.headers.append(f"{self.path}\n{self.headers}")
            time.sleep(stub.wait_s)
            content = json.dumps(_completion(stub.answer(_question(body)))).encode()
            try:
                self.send_response(stub.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except (BrokenPipeError, ConnectionResetError):
                return

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stub.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def suggested(*rows: tuple[str, str, str, float]) -> Answer:
    """An answer with *rows* of entity, source field, target field and confidence."""
    keys = ("entity", "source_field", "target_field", "confidence")
    made = [dict(zip(keys, row, strict=True)) | {"reason": "the words mean it"} for row in rows]
    return lambda _: {"suggestions": made}


def _question(body: bytes) -> dict[str, Any]:
    told = [m for m in json.loads(body)["messages"] if m["role"] == "user"]
    question: dict[str, Any] = json.loads(told[0]["content"])
    return question


def _completion(answer: Any) -> dict[str, Any]:
    call = {
        "id": "call_1", "type": "function",
        "function": {"name": "final_result", "arguments": answer if isinstance(answer, str) else json.dumps(answer)},
    }  # fmt: skip
    return {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "stub",
        "choices": [{"index": 0, "finish_reason": "tool_calls",
                     "message": {"role": "assistant", "content": None, "tool_calls": [call]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }  # fmt: skip
