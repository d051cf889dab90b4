"""A server of the OpenAI-compatible form on loopback: true log-probabilities of a tiny checkpoint, and bad manners."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
import transformers


class Answers:
    """What the server says, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.numbers: Callable[[dict[str, Any]], Any] | None = None
        self.top: int | None = None
        self.form = "old"
        self.misbehave: Callable[[int], str | None] = lambda count: None
        self.lock = threading.Lock()

    def logs(self, prompt: str | list[int]) -> dict[str, float]:
        """Likeliest next tokens."""
        ids = prompt if isinstance(prompt, list) else self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        with self.lock, torch.no_grad():
            logs = self.network(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)
        found = logs.topk(self.top or len(logs))
        return {self.spelt(i): v for i, v in zip(found.indices.tolist(), found.values.tolist(), strict=True)}

    def spelt(self, token: int) -> str:
        """Text of a token; of a part of a letter, its number."""
        text = str(self.tokenizer.decode([token]))
        return f"bytes:{token}" if "\ufffd" in text else text

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        """Body of an answer."""
        if self.numbers is not None:
            return {"data": [self.numbers(body)]}
        if path.endswith("/chat/completions"):
            options = body.get("chat_template_kwargs", {})
            text = self.tokenizer.apply_chat_template(body["messages"], tokenize=False, **options)
        else:
            text = body["prompt"]
        logs = self.logs(text)
        if self.form == "none":
            return {"choices": [{"text": "safe", "logprobs": None}]}
        if self.form == "old" and not path.endswith("/chat/completions"):
            return {"choices": [{"text": "", "logprobs": {"top_logprobs": [logs]}}]}
        top = [{"token": token, "logprob": value} for token, value in logs.items()]
        return {"choices": [{"logprobs": {"content": [{"token": "", "top_logprobs": top}]}}]}


@contextlib.contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """Address of a running server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answers.asked.append((self.path, body))
            answers.headers.append(dict(self.headers))
            manner = answers.misbehave(len(answers.asked))
            if manner is not None and manner.isdecimal():
                self.send_response(int(manner))
                self.send_header("Retry-After", "0")
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.end_headers()
                return
            if manner == "hang up":
                self.close_connection = True
                return
            if manner == "late":
                threading.Event().wait(1.5)
            written = json.dumps(answers.answer(self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            with contextlib.suppress(OSError):  # who asked has given up
                self.wfile.write(written[: len(written) // 2] if manner == "half" else written)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
