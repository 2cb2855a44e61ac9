"""A model on loopback that calls one tool and then says "done"; it keeps what hosts send.

It speaks OpenAI's chat completions and responses and Gemini's generateContent, streamed, as far as the hosts read it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
_RESPONSE_USAGE = {
    "input_tokens": 1,
    "input_tokens_details": None,
    "output_tokens": 1,
    "output_tokens_details": None,
    "total_tokens": 2,
}


@dataclass
class Model:
    """The model's address, the call that it makes, and the requests that came."""

    url: str = ""
    tool: str = ""
    arguments: Json = field(default_factory=dict)
    requests: list[Json] = field(default_factory=list)

    def script(self, tool: str, arguments: Json) -> None:
        """Say which call comes next, and forget the requests."""
        self.tool, self.arguments = tool, arguments
        self.requests = []

    def named(self, names: list[str]) -> str | None:
        """Return the tool's name as the host calls it, which may have the server's before it."""
        return next(
            (name for name in names if name == self.tool or name.endswith((f"_{self.tool}", f".{self.tool}"))), None
        )


class _Handler(BaseHTTPRequestHandler):
    """Answers in the protocol of the address that is asked."""

    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._json({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        if "countTokens" in self.path:
            self._json({"totalTokens": 1})
            return
        served = self.server.model
        served.requests.append(asked)
        if "streamGenerateContent" in self.path:
            self._events([(None, gemini(served, asked))])
        elif "generateContent" in self.path:
            self._json(gemini(served, asked))
        elif "responses" in self.path:
            self._events(responses(served, asked))
        else:
            self._events([(None, chunk) for chunk in chat(served, asked)], end=b"data: [DONE]\n\n")

    def _json(self, body: Json) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def _events(self, events: list[tuple[str | None, Json]], end: bytes = b"") -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for name, body in events:
            head = f"event: {name}\n" if name else ""
            self.wfile.write(f"{head}data: {json.dumps(body)}\n\n".encode())
        self.wfile.write(end)


class _Server(ThreadingHTTPServer):
    model: Model


@contextmanager
def model() -> Iterator[Model]:
    """Serve the model until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.model = Model(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.model
    finally:
        server.shutdown()
        server.server_close()


def chat(model: Model, asked: Json) -> list[Json]:
    """Answer a request of chat completions."""
    names = [one.get("function", {}).get("name", "") for one in asked.get("tools") or ()]
    name = model.named(names)
    done = any(message.get("role") == "tool" for message in asked.get("messages", ()))
    base = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    delta: Json = {"role": "assistant", "content": "done"}
    if name and not done:
        function = {"name": name, "arguments": json.dumps(model.arguments)}
        delta = {
            "role": "assistant",
            "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}],
        }
    reason = "tool_calls" if name and not done else "stop"
    return [
        {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": _USAGE},
    ]


def responses(model: Model, asked: Json) -> list[tuple[str | None, Json]]:
    """Answer a request of responses; Codex puts a server's tools into a namespace, which the call names."""
    tools = asked.get("tools") or []
    name = model.named([one.get("name", "") for one in tools if one.get("type") != "namespace"])
    more: Json = {}
    for one in tools:
        if one.get("type") == "namespace" and model.named([inner.get("name", "") for inner in one.get("tools", ())]):
            name, more = model.tool, {"namespace": one["name"]}
    done = any(item.get("type") == "function_call_output" for item in asked.get("input", ()) if isinstance(item, dict))
    item: Json = {
        "type": "message",
        "id": "m1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "done", "annotations": []}],
    }
    if name and not done:
        call = {"type": "function_call", "id": "f1", "call_id": "c1", "name": name, "status": "completed"}
        item = {**call, **more, "arguments": json.dumps(model.arguments)}
    whole = {"id": "r1", "output": [item], "usage": _RESPONSE_USAGE}
    events: list[tuple[str, Json]] = [
        ("response.created", {"response": {"id": "r1"}}),
        ("response.output_item.added", {"output_index": 0, "item": item}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        ("response.completed", {"response": whole}),
    ]
    return [(name, {"type": name, **body}) for name, body in events]


def gemini(model: Model, asked: Json) -> Json:
    """Answer a request of generateContent."""
    groups = asked.get("tools") or []
    name = model.named([one.get("name", "") for group in groups for one in group.get("functionDeclarations", ())])
    parts = [part for content in asked.get("contents", ()) for part in content.get("parts", ())]
    done = any("functionResponse" in part for part in parts)
    answer: Json = {"text": "done"}
    if name and not done:
        answer = {"functionCall": {"id": "c1", "name": name, "args": model.arguments}}
    candidate = {"content": {"role": "model", "parts": [answer]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "scripted"}
