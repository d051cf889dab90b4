"""Models behind a server: guards by log-probabilities of completions, classifiers and reward models by their routes.

Texts leave the process here, and nowhere else: to this machine, or where somebody allowed it. What a server says of an
error is not passed on, for it may hold a text; nor is the key.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import math
import os
import queue
import random
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from btviz.arguments import paired_texts
from btviz.errors import BtvizError, DataError, FetchError, UsageError, choice
from btviz.models.guards import Guard, guard_of, read_guard
from btviz.models.model import LONGEST, read_tokenizer
from btviz.models.protocol import KINDS
from btviz.models.records import PROBABILITY, ScoreRecord
from btviz.models.verdicts import FILLER, GuardText, labelled, tree_sums
from btviz.store import expanded, fingerprint

KEY_VARIABLE = "BTVIZ_API_KEY"
"""Variable of the environment that holds the key of a server, where it wants one."""

ROUTES = ("completions", "chat", "classify", "pooling")
VERSION = 1

TOP = 20
"""Tokens whose log-probabilities are asked for: as many as vLLM gives unless it is told to give more."""

WIDEST = 0.001
"""Bounds of a probability that are no further apart are written as their middle; others as unknown."""

_ATTEMPTS = 6
_LONGEST_WAIT = 30.0
_MARKS = str.maketrans({"▁": " ", "Ġ": " "})
_BATCH = 8192
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A score model behind a server; see `btviz.models.connect_score_model`.

    Attributes
    ----------
    name, kind, fingerprint, labels, threshold
        As of any score model; the fingerprint is of the address, the model's name there, route and guard, for a
        server does not show its weights.
    record : ScoreRecord
        What is known of its scores.
    tokens_per_batch : int
        Estimated tokens of a batch, after which scores are on the disk.
    """

    name: str
    kind: str
    fingerprint: str
    labels: tuple[str, ...]
    threshold: float | None
    record: ScoreRecord
    tokens_per_batch: int
    _server: Server = field(repr=False)
    _reader: GuardReader | NumberReader = field(repr=False)

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> _Floats:
        """Score answers: float32 of shape (n,), or (n, len(labels)) for moderation; NaN where unknown."""
        low, high = self.score_bounds(prompts, responses)
        is_known = high - low <= WIDEST
        scores = np.where(is_known, (low + high) / 2, np.nan).astype(np.float32)
        self._reader.seen(low, high)
        return scores if self.kind == "moderation" else scores[:, 0]

    def score_bounds(
        self, prompts: Sequence[str], responses: Sequence[str]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Bounds of scores: a verdict beyond the tokens that a server tells of has no number.

        Parameters
        ----------
        prompts, responses : sequence of str
            One of each per answer.

        Returns
        -------
        low, high : arrays of shape (n, len(labels)), or (n, 1) of a reward or cost
            Equal where all is known; NaN where verdicts have too little mass.
        """
        asked, answers = paired_texts(prompts, responses)
        bodies = [body for pair in self._reader.bodies(asked, answers) for body in pair]
        found = self._server.ask_all(self._reader.path, bodies, read=self._reader.read)
        return self._reader.bounds(found, n=len(asked))

    def announce(self, name: str) -> None:
        """Say on standard error of how many answers there are only bounds, since this was last said."""
        self._reader.announce(name)


def connect_score_model(  # noqa: PLR0913  # an option each
    model: str,
    *,
    endpoint: str,
    guard: str | Path | None = None,
    kind: str | None = None,
    route: str | None = None,
    outputs: Sequence[str] = (),
    tokenizer: str | Path | None = None,
    allow_remote: bool = False,
    concurrency: int = 8,
    timeout: float = 120.0,
) -> ServedModel:
    """Score by a model behind an OpenAI-compatible server, or vLLM's classify and pooling routes.

    Parameters
    ----------
    model : str
        What the server calls it.
    endpoint : str
        Address, such as "http://127.0.0.1:8000/v1".
    guard : str or Path, optional
        As of `load_score_model`; default: the bundled one that describes a model of this name.
    kind : {"reward", "cost", "moderation"}, optional
        Of classify and pooling; a guard is moderation.
    route : {"completions", "chat", "classify", "pooling"}, optional
        Default: completions of a guard, or chat where only the server has its chat template.
    outputs : sequence of str, optional
        Targets of a moderation model by classify, in the order of its outputs.
    tokenizer : str or Path, optional
        Folder of the model's tokenizer: texts are then written and cut here, and sent as token ids.
    allow_remote : bool
        Send prompts and answers to another machine than this one.
    concurrency : int
        Requests at once.
    timeout : float
        Seconds to wait for an answer before asking again.

    Returns
    -------
    ServedModel

    Raises
    ------
    UsageError
        If the address is that of another machine and nobody allowed it, or what is asked does not fit together.
    FetchError
        If the server does not answer, or not as such a server does.
    """
    server = Server.at(endpoint, model=model, allow_remote=allow_remote, concurrency=concurrency, timeout=timeout)
    if route in {"classify", "pooling"}:
        reader: GuardReader | NumberReader = NumberReader(model, route=route, kind=kind, outputs=tuple(outputs))
    else:
        reader = _guard_reader(model, guard=guard, kind=kind, route=route, tokenizer=tokenizer)
    return ServedModel(
        name=model,
        kind=reader.kind,
        fingerprint=fingerprint("server", VERSION, server.address, model, *reader.settings),
        labels=reader.labels,
        threshold=reader.threshold,
        record=ScoreRecord(
            reader.kind,
            threshold=reader.threshold,
            scale=PROBABILITY if reader.kind == "moderation" else None,
            maker=f"btviz, by a server ({reader.path.rpartition('/')[2]})",
            template="question to a guard" if isinstance(reader, GuardReader) else "chat template of the server",
        ),
        tokens_per_batch=_BATCH,
        _server=server,
        _reader=reader,
    )


def _guard_reader(
    model: str, *, guard: str | Path | None, kind: str | None, route: str | None, tokenizer: str | Path | None
) -> GuardReader:
    described = guard_of(model) if guard is None else read_guard(guard)
    if route is not None:
        choice(route, ROUTES, what="route")
    if described is None or kind not in {None, "moderation"}:
        raise UsageError(
            f"Asked to score with {model!r} behind a server; nothing says how its words are read as a score. Name a "
            "guard (--guard, docs/guards.md); or --route classify or pooling of a model with a head, and its --kind."
        )
    text = None
    if tokenizer is not None:
        reads = read_tokenizer(expanded(tokenizer), name=model)
        text = GuardText(described, reads, max_length=min(LONGEST, reads.model_max_length), name=model)
    by_chat = route == "chat" or (described.template is None and text is None)
    if by_chat and (described.template is not None or described.prefixes != ("",)):
        raise UsageError(
            f"Asked to score with {model!r} by the guard {described.name!r} behind a server; what comes before its "
            "verdict cannot be said in a chat. Give the folder of its tokenizer: --tokenizer."
        )
    return GuardReader(model, described, text=text, by_chat=by_chat)


class GuardReader:
    """What a server is asked of a guard, and how its log-probabilities are read."""

    kind = "moderation"

    def __init__(self, model: str, guard: Guard, *, text: GuardText | None, by_chat: bool) -> None:
        self.path = "chat/completions" if by_chat else "completions"
        self.labels = guard.labels
        self.threshold = guard.threshold
        self.settings = (self.path, guard.fingerprint, text is not None, TOP)
        self._model = model
        self._guard = guard
        self._text = text
        self._n = self._n_bounds = 0

    def bodies(self, prompts: Sequence[str], responses: Sequence[str]) -> Iterator[list[Mapping[str, Any]]]:
        """Requests of each pair, one a pass."""
        common = {"model": self._model, "max_tokens": 1, "temperature": 0}
        if self._text is not None:
            for row in self._text.encode(prompts, responses):
                passes = [ids[ids != FILLER].tolist() for ids in row] or [None] * self._n_passes
                yield [{**common, "logprobs": TOP, "prompt": ids} if ids else {} for ids in passes]
            return
        plain = {} if self._guard.special_tokens else {"add_special_tokens": False}
        for prompt, response in zip(prompts, responses, strict=True):
            if self.path == "completions":
                texts = [self._guard.written(prompt, response, policy=policy.text) for policy in self._guard.questions]
                starts = [text + start for text in texts for start in self._guard.starts]
                yield [{**common, **plain, "logprobs": TOP, "prompt": start} for start in starts]
                continue
            chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
            asked = {**common, "logprobs": True, "top_logprobs": TOP, "messages": chat}
            options = [{**self._guard.options, **policy.options} for policy in self._guard.questions]
            yield [{**asked, **({"chat_template_kwargs": each} if each else {})} for each in options]

    def read(self, answer: Any) -> list[float]:
        """Mass of each class of verdicts among the tokens told of, and what all other tokens have."""
        logs = _told(answer)
        masses = dict.fromkeys(self._guard.verdicts, 0.0)
        for token, log in logs:
            if (found := self._class_of(token)) is not None:
                masses[found] += math.exp(log)
        rest = max(0.0, 1.0 - sum(math.exp(log) for _, log in logs))
        return [*masses.values(), rest]

    def bounds(
        self, found: Sequence[list[float]], *, n: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Bounds of scores from what `read` gave of each pass."""
        n_classes = len(self._guard.verdicts)
        filled = [row or [math.nan] * (n_classes + 1) for row in found]
        table = np.array(filled, np.float64).reshape(n, self._n_passes, n_classes + 1)
        by_class, rest = tree_sums(self._guard, table[..., :-1], rest=table[..., -1])
        known = by_class.sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            whole = (known + rest)[..., None]
            low, high = by_class / whole, (by_class + rest[..., None]) / whole
        doubtful = known < self._guard.least_mass  # what is not told of decides whether there is a verdict at all
        low[doubtful], high[doubtful] = 0.0, 1.0
        none = ~(known + rest >= self._guard.least_mass)
        low[none] = high[none] = np.nan
        return labelled(self._guard, low), labelled(self._guard, high)

    def seen(self, low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> None:
        """Count scores of which there are only bounds."""
        self._n += len(low)
        self._n_bounds += int((high - low > WIDEST).any(axis=1).sum())

    def announce(self, name: str) -> None:
        """Say what was counted."""
        if self._n_bounds:
            sys.stderr.write(
                f"{name}: of {self._n_bounds:,} of {self._n:,} answers there are bounds and no number, for a verdict "
                f"is not among the {TOP} likeliest tokens; their scores are null. score_bounds gives the bounds.\n"
            )
        self._n = self._n_bounds = 0

    @property
    def _n_passes(self) -> int:
        return len(self._guard.questions) * len(self._guard.starts)

    def _class_of(self, token: str) -> str | None:
        """Class of verdicts that a token begins: as the tokenizer has it where that is here, else by its letters."""
        if self._text is not None:
            return self._text.spellings.get(token)
        letters = token.translate(_MARKS).strip()
        fitting = [name for name, words in self._guard.verdicts.items() if letters in words]
        if not fitting and len(letters) >= 3:
            fitting = [n for n, words in self._guard.verdicts.items() if any(w.startswith(letters) for w in words)]
        return fitting[0] if len(fitting) == 1 else None


class NumberReader:
    """What a server is asked of a classifier or a reward model, and how its numbers are read."""

    def __init__(self, model: str, *, route: str, kind: str | None, outputs: tuple[str, ...]) -> None:
        if kind is None:
            raise UsageError(
                f"Asked to score with {model!r} by the route {route}; nothing says what its numbers mean. Say "
                f"kind= one of {', '.join(KINDS)}; --kind on the command line."
            )
        choice(kind, KINDS, what="kind of score model")
        self.kind = kind
        self.path = f"/{route}"
        self.labels = (outputs or ("unsafe",)) if kind == "moderation" else ()
        self.threshold = None
        self.settings = (route, kind, self.labels)
        self._model = model
        self._width = max(1, len(self.labels))

    def bodies(self, prompts: Sequence[str], responses: Sequence[str]) -> Iterator[list[Mapping[str, Any]]]:
        """Request of each pair: a chat, for the server has the template."""
        for prompt, response in zip(prompts, responses, strict=True):
            chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
            yield [{"model": self._model, "messages": chat}]

    def read(self, answer: Any) -> list[float]:
        """Numbers of an answer."""
        first = answer["data"][0]
        numbers = first["probs"] if self.path == "/classify" else first["data"]
        while isinstance(numbers, list) and numbers and isinstance(numbers[-1], list):
            numbers = numbers[-1]  # of each token: the last has read all
        found = [float(number) for number in (numbers if isinstance(numbers, list) else [numbers])]
        if len(found) != self._width:
            raise DataError(
                f"Asked {self._model!r} behind a server for {self._width} numbers an answer; it gave {len(found)}. "
                "Name its outputs in their order (--outputs), or take a model with one."
            )
        return found

    def bounds(
        self, found: Sequence[list[float]], *, n: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Scores, twice."""
        scores = np.array(found, np.float64).reshape(n, self._width)
        return scores, scores

    def seen(self, low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> None:
        """Count nothing: numbers are known or there are none."""

    def announce(self, name: str) -> None:
        """Say nothing."""


def _told(answer: Any) -> list[tuple[str, float]]:
    """Tokens and log-probabilities of an answer, in the form of either generation of the interface."""
    logs = answer["choices"][0].get("logprobs")
    if not logs:
        raise DataError(
            "Asked a server for log-probabilities; it answers without any (transformers serve 5.23 ignores the wish). "
            "Take a server that gives them, such as vLLM or llama.cpp."
        )
    if "content" in logs:
        return [(str(entry["token"]), float(entry["logprob"])) for entry in logs["content"][0]["top_logprobs"]]
    return [(str(token), float(log)) for token, log in logs["top_logprobs"][0].items()]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Texts go where they were sent, and nowhere else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        """Refuse."""


@dataclass(frozen=True)
class Server:
    """Where requests go, how many at once, and how patiently."""

    address: str
    is_here: bool
    concurrency: int
    timeout: float

    @classmethod
    def at(cls, endpoint: str, *, model: str, allow_remote: bool, concurrency: int, timeout: float) -> Server:
        """Check an address: this machine, or another that somebody allowed."""
        parts = urllib.parse.urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise UsageError(
                "Asked to score behind a server; its endpoint is no plain address. Give one such as "
                f"http://127.0.0.1:8000/v1; a key goes into the environment, {KEY_VARIABLE}."
            )
        if concurrency < 1 or not timeout > 0:
            raise UsageError(f"Asked for {concurrency} requests at once and {timeout} s of patience. Give at least 1.")
        if not _is_here(parts.hostname):
            sent = f"prompts and answers to {parts.scheme}://{parts.netloc}, to be read by {model!r} there"
            if not allow_remote:
                raise UsageError(
                    f"Asked to send {sent}; that is not this machine. If these texts may leave it, say --allow-remote "
                    "(allow_remote=True)."
                )
            if parts.scheme == "http" and os.environ.get(KEY_VARIABLE):
                raise UsageError(
                    f"Asked to send a key ({KEY_VARIABLE}) to {parts.netloc} where others can read it. Use https."
                )
            sys.stderr.write(f"Sends {sent}.\n")
        return cls(endpoint.rstrip("/"), _is_here(parts.hostname), concurrency, timeout)

    def ask_all(
        self, path: str, bodies: Sequence[Mapping[str, Any]], *, read: Callable[[Any], list[float]]
    ) -> list[list[float]]:
        """Answers to requests in their order; an empty request has an empty one. The first that fails ends all."""
        todo = iter([i for i, body in enumerate(bodies) if body])
        lock, stop = threading.Lock(), threading.Event()
        done: queue.SimpleQueue[tuple[int, list[float] | BaseException]] = queue.SimpleQueue()

        def work() -> None:
            while not stop.is_set():
                with lock:
                    i = next(todo, None)
                if i is None:
                    return
                try:
                    done.put((i, self._ask(path, bodies[i], read=read, stop=stop)))
                except BaseException as error:  # noqa: BLE001  # raised again where the answers are awaited
                    done.put((i, error))
                    return

        n_asked = sum(map(bool, bodies))
        for _ in range(min(self.concurrency, n_asked)):
            threading.Thread(target=work, daemon=True).start()  # an interrupted run does not wait for answers
        answers: list[list[float]] = [[] for _ in bodies]
        try:
            for _ in range(n_asked):
                i, answer = done.get()
                if isinstance(answer, BaseException):
                    raise answer
                answers[i] = answer
        finally:
            stop.set()
        return answers

    def _ask(
        self, path: str, body: Mapping[str, Any], *, read: Callable[[Any], list[float]], stop: threading.Event
    ) -> list[float]:
        """Ask until there is an answer, with longer and longer waits in between."""
        problem = ""
        for attempt in range(_ATTEMPTS):
            wait = min(_LONGEST_WAIT, 0.25 * 2**attempt) * random.uniform(0.75, 1.25)  # noqa: S311  # no secret
            try:
                return read(self._post(path, body))
            except BtvizError:
                raise
            except urllib.error.HTTPError as error:
                problem = f"it answers with the status {error.code}"
                stated = error.headers.get("Retry-After", "")
                error.close()
                if error.code not in {408, 409, 425, 429} and error.code < 500:
                    break
                if stated.isdecimal():
                    wait = min(_LONGEST_WAIT, float(stated))
            except (OSError, http.client.HTTPException) as error:
                problem = f"it does not answer ({type(getattr(error, 'reason', error)).__name__})"
            except (ValueError, LookupError, TypeError, AttributeError):
                problem = "its answer has another form, or is cut off"
            if attempt + 1 < _ATTEMPTS and stop.wait(wait):
                break
        raise FetchError(
            f"Asked the server at {self.address} for a score ({path.strip('/')}); {problem}. See whether it runs and "
            "serves that model, and run this again: what has arrived is kept."
        )

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        base = self.address.removesuffix("/v1") if path.startswith("/") else f"{self.address}/"
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY_VARIABLE):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(base + path, json.dumps(body).encode(), headers)  # noqa: S310  # of http
        proxies = urllib.request.ProxyHandler({} if self.is_here else None)
        opener = urllib.request.build_opener(_NoRedirect, proxies)
        with opener.open(request, timeout=self.timeout) as answer:
            return json.loads(answer.read())


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
