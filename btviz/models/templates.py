"""From texts to token ids: the fixed conversation template, chat templates, pairs of texts."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from btviz.errors import DataError, UsageError

BEGIN = "BEGINNING OF CONVERSATION: USER:"
ANSWER = "ASSISTANT:"

MAX_LENGTH = 512
"""Tokens that the models of the fixed template were trained on; the rest of a text is cut off."""

Encoded = npt.NDArray[np.int32]
"""Token ids (L,), or token ids and segments (2, L)."""

_INNER_SPACE = re.compile(r"[^\s▁Ġ][\s▁Ġ]")
_SAMPLES = ("hi", "What now?", "1+1", "(see", "été", "東京は", "x\ny", '"why"', "3.5 km, or so", "a  b")


class CutWarning(UserWarning):
    """A model does not read the ends of some texts."""


class TextEncoder(Protocol):
    """Turns prompts and responses into what a network reads."""

    max_length: int

    def encode(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Encoded]:
        """Token ids of each pair, cut off on the right at `max_length`."""
        ...


def render(turns: Sequence[tuple[str, str]], *, eos: str) -> str:
    """Text of a conversation as Safe RLHF writes it, with an end-of-sequence after each answer."""
    if not turns:
        raise UsageError("Asked for the text of a conversation without turns. Give at least one.")
    said = (f"USER: {prompt} {ANSWER}{response}{eos}" for prompt, response in turns)
    return BEGIN.removesuffix("USER:") + "".join(said)


class FixedTemplate:
    """The template of Safe RLHF, tokenised once where that changes nothing.

    The text is cut where a letter meets a space: before the prompt and before ``ASSISTANT:``. If
    no token of the vocabulary spans such a place, tokens of the parts are the tokens of the whole;
    so the beginning is tokenised once and a prompt once for all its answers. Texts that start or end in
    white space or hold a special token are tokenised whole, as is everything where the parts were
    seen to differ.
    """

    def __init__(self, tokenizer: Any, *, begins: Sequence[int], max_length: int) -> None:
        self.max_length = max_length
        self._tokenizer = tokenizer
        self._begins = list(begins)
        self._ends = [tokenizer.eos_token_id]
        self._special = tuple(token.content for token in tokenizer.added_tokens_decoder.values())
        self._lead = self._find_lead()
        self._head = self._ids([BEGIN])[0]

    def encode(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Encoded]:
        """Token ids of each pair, cut off on the right at `max_length`."""
        plain = [self._is_plain(prompt, response) for prompt, response in zip(prompts, responses, strict=True)]
        parts = {p: [] for p, is_plain in zip(prompts, plain, strict=True) if is_plain}  # type: dict[str, list[int]]
        parts.update(zip(parts, self._ids([f"{self._lead}{prompt}" for prompt in parts]), strict=True))
        rest = [
            f"{self._lead}{ANSWER}{response}" if is_plain else render([(prompt, response)], eos="")
            for prompt, response, is_plain in zip(prompts, responses, plain, strict=True)
        ]
        encoded = []
        for prompt, is_plain, ids in zip(prompts, plain, self._ids(rest), strict=True):
            before = [*self._head, *parts[prompt]] if is_plain else []
            encoded.append(self._finish([*before, *ids]))
        return encoded

    def encode_conversations(self, conversations: Sequence[Sequence[tuple[str, str]]]) -> list[Encoded]:
        """Token ids of whole conversations, each a sequence of (prompt, response)."""
        eos = str(self._tokenizer.eos_token)
        texts = [render(turns, eos=eos).removesuffix(eos) for turns in conversations]
        return [self._finish(ids) for ids in self._ids(texts)]

    def _finish(self, ids: list[int]) -> Encoded:
        return np.array([*self._begins, *ids, *self._ends][: self.max_length], np.int32)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return list(self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]) if texts else []

    def _is_plain(self, prompt: str, response: str) -> bool:
        if self._lead is None or not prompt or prompt != prompt.strip():
            return False
        return not any(token in prompt or token in response for token in self._special)

    def _find_lead(self) -> str | None:
        """What a part starts with to be tokenised as after a space, or None if parts differ from the whole."""
        if any(_INNER_SPACE.search(token) for token in self._tokenizer.get_vocab() if token not in self._special):
            return None
        wholes = self._ids([render([(text, text)], eos="") for text in _SAMPLES])
        for lead in ("", " "):
            head = self._ids([BEGIN])[0]
            prompts = self._ids([f"{lead}{text}" for text in _SAMPLES])
            answers = self._ids([f"{lead}{ANSWER}{text}" for text in _SAMPLES])
            if wholes == [[*head, *p, *a] for p, a in zip(prompts, answers, strict=True)]:
                return lead
        return None


class EndlessTemplateError(DataError):
    """A chat template went beyond what any chat needs."""


class _Budget:
    """Steps and letters that a chat template may take: it comes with a model, and may loop or grow without end.

    Lines of compiled templates are counted as they run, and what they made is measured, by the interpreter's tracing.
    """

    STEPS, LETTERS = 100_000, 4_000_000

    def __enter__(self) -> None:
        self._left, self._written = self.STEPS, 0
        self._before = sys.gettrace()
        sys.settrace(self._called)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, event: str, argument: object) -> Any:  # noqa: ARG002 - its form is given
        return self._stepped if frame.f_code.co_filename == "<template>" else None

    def _stepped(self, frame: FrameType, event: str, argument: object) -> Any:
        self._left -= 1
        if event == "return" and isinstance(argument, str):  # a piece of the text, handed over
            self._written += len(argument)
        made = self._written + sum(map(_letters, frame.f_locals.values()))
        if self._left < 0 or made > self.LETTERS:
            raise EndlessTemplateError(
                f"A chat template that came with the model was to be filled in; after {self.STEPS - self._left:,} "
                f"steps and {made:,} letters it was not done. Do not use this model, or fetch its template again."
            )
        return self._stepped


def _letters(value: object, *, depth: int = 2) -> int:
    """Letters of a variable of a template, and of what it holds."""
    if isinstance(value, str):
        return len(value)
    held = getattr(value, "_Namespace__attrs", value)  # `namespace()` of Jinja keeps its values there
    if not depth or not isinstance(held, dict | list | tuple):
        return 0
    inside = held.values() if isinstance(held, dict) else held
    return len(held) + sum(_letters(each, depth=depth - 1) for each in inside)


class ChatTemplate:
    """The chat template that a tokenizer brings, which runs in a sandbox and within a budget."""

    def __init__(self, tokenizer: Any, *, max_length: int) -> None:
        self.max_length = max_length
        self._tokenizer = tokenizer

    def write(self, prompt: str, response: str) -> str:
        """Text of a chat; raises what the template raises where it refuses it."""
        chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
        with _Budget():
            return str(self._tokenizer.apply_chat_template(chat, tokenize=False))

    def encode(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Encoded]:
        """Token ids of each pair, cut off on the right at `max_length`; none of a pair that the template refuses."""
        texts = []
        for prompt, response in zip(prompts, responses, strict=True):
            try:
                texts.append(self.write(prompt, response))
            except EndlessTemplateError:  # nor would it end for the others
                raise
            except Exception:  # noqa: BLE001  # a template may refuse an empty answer; the others are to be scored
                texts.append("")
        rows = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"] if texts else []
        return [np.array(ids[: self.max_length], np.int32) for ids in rows]


class TextPair:
    """Prompt and response as a pair of texts, for classifiers without a chat template."""

    def __init__(self, tokenizer: Any, *, max_length: int) -> None:
        self.max_length = max_length
        self._tokenizer = tokenizer

    def encode(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Encoded]:
        """Token ids, and segments where the network reads them, of each pair."""
        if not prompts:
            return []
        encoding = self._tokenizer(list(prompts), list(responses), truncation=True, max_length=self.max_length)
        if "token_type_ids" not in encoding:
            return [np.array(ids, np.int32) for ids in encoding["input_ids"]]
        rows = zip(encoding["input_ids"], encoding["token_type_ids"], strict=True)
        return [np.array(row, np.int32) for row in rows]
