"""How a guard is run: texts as its template has them, verdict words as tokens, probabilities of one forward pass."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.errors import DataError, require
from btviz.models.guards import UNSAFE, Guard, Policy
from btviz.models.templates import CutWarning, Encoded

Floats = npt.NDArray[np.float32]
Masses = npt.NDArray[np.float64]

FILLER = -1
"""Stands before the shorter ones of the passes of a pair."""

_MARKS = str.maketrans({"▁": " ", "Ġ": " "})
_SAMPLE = ("Is tea hot?", "Mostly, yes.")


class GuardText:
    """What a guard reads of a pair, its verdict being the next token: token ids (passes, L), filled up on the left."""

    def __init__(self, guard: Guard, tokenizer: Any, *, max_length: int, name: str) -> None:
        self.guard = guard
        self.max_length = max_length
        self._tokenizer = tokenizer
        self._name = name
        self._has_parts = False
        if guard.template is None:
            self._check_chat()
        self._check_room()

    def encode(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Encoded]:
        """Token ids of each pair; of an answer that is too long the end is left out, never what follows it."""
        rows, n_cut = [], 0
        for prompt, response in zip(prompts, responses, strict=True):
            passes = self._passes(prompt, response)
            kept = response
            while passes and (excess := max(map(len, passes)) - self.max_length) > 0 and kept:
                kept = self._shorter(kept, excess)
                passes = self._passes(prompt, kept)
            n_cut += kept != response
            rows.append(_filled([ids[-self.max_length :] for ids in passes]))
        if n_cut:
            warnings.warn(
                f"{n_cut:,} of {len(rows):,} answers are longer than what {self._name} reads with its policy "
                f"({self.max_length:,} tokens); their ends do not change their scores.",
                CutWarning,
                stacklevel=3,
            )
        return rows

    def written(self, prompt: str, response: str, *, policy: Policy) -> str:
        """Text of one pass without the start of the answer; raises what the chat template raises."""
        if self.guard.template is not None:
            return self.guard.written(prompt, response, policy=policy.text)
        chat = [
            {"role": role, "content": self._content(text)}
            for role, text in zip(_ROLES, (prompt, response), strict=True)
        ]
        options = {**self.guard.options, **policy.options}
        return str(self._tokenizer.apply_chat_template(chat, tokenize=False, **options))

    def verdict_ids(self) -> Mapping[str, tuple[int, ...]]:
        """Ids of the tokens that a verdict begins with, by class: every spelling of its words."""
        vocabulary = self._tokenizer.get_vocab()
        tails = [self.written(*_SAMPLE, policy=self.guard.questions[0]) + start for start in self.guard.starts]
        found = {name: self._first_ids(words, vocabulary, tails=tails) for name, words in self.guard.verdicts.items()}
        for name, ids in found.items():
            others = {i for other, theirs in found.items() if other != name for i in theirs}
            if not ids or ids & others:
                problem = "is no token after its prefix" if not ids else "begins with the same token as another"
                raise DataError(
                    f"Asked to read verdicts of {self._name!r} by the guard {self.guard.name!r}; {name!r} {problem}. "
                    "Mend the words or the prefix in the file of the guard."
                )
        return {name: tuple(sorted(ids)) for name, ids in found.items()}

    @cached_property
    def spellings(self) -> Mapping[str, str]:
        """Class of verdicts by the text of a token that begins one."""
        ids = self.verdict_ids().items()
        return {str(self._tokenizer.decode([i])): name for name, which in ids for i in which}

    def _first_ids(self, words: Sequence[str], vocabulary: Mapping[str, int], *, tails: Sequence[str]) -> set[int]:
        wanted = set(words)
        ids = {i for token, i in vocabulary.items() if token.translate(_MARKS).strip() in wanted}
        for tail in tails:
            base = self._ids(tail)
            for word in words:
                for spelt in (word, f" {word}"):
                    whole = self._ids(tail + spelt)
                    rest = whole[len(base) :]
                    if rest and whole[: len(base)] == base and self._tokenizer.decode(rest[:1]).strip():
                        ids.add(rest[0])
        return ids

    def _passes(self, prompt: str, response: str) -> list[list[int]]:
        try:
            texts = [self.written(prompt, response, policy=policy) for policy in self.guard.questions]
        except Exception:  # noqa: BLE001  # a template may refuse an empty answer; the others are to be scored
            return []
        return [self._ids(text + start) for text in texts for start in self.guard.starts]

    def _ids(self, text: str) -> list[int]:
        special = self.guard.template is not None and self.guard.special_tokens
        return list(self._tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])

    def _shorter(self, response: str, excess: int) -> str:
        ids = self._tokenizer(response, add_special_tokens=False, verbose=False)["input_ids"]
        kept = self._tokenizer.decode(ids[: max(0, len(ids) - excess)], skip_special_tokens=False)
        return kept if len(kept) < len(response) else response[: len(response) // 2]

    def _content(self, text: str) -> Any:
        return [{"type": "text", "text": text}] if self._has_parts else text

    def _check_room(self) -> None:
        """Refuse a policy that leaves no room for an answer."""
        longest = max(map(len, self._passes(*_SAMPLE)), default=0)
        if longest > self.max_length:
            raise DataError(
                f"Asked to load {self._name!r} as the guard {self.guard.name!r}; what it is asked, {longest:,} tokens, "
                f"is longer than what the model reads, {self.max_length:,}. Shorten the template in its file."
            )

    def _check_chat(self) -> None:
        """Find out whether texts go into the chat as they are or as parts; refuse a template that drops them."""
        problem = "its tokenizer has no chat template"
        for has_parts in (False, True) if self._tokenizer.chat_template else ():
            self._has_parts = has_parts
            try:
                written = self.written(*_SAMPLE, policy=self.guard.questions[0])
            except Exception as error:  # noqa: BLE001  # in the words of whoever wrote the template
                problem = f"its chat template refuses a question and its answer ({error})"
                continue
            if all(text in written for text in _SAMPLE) and "'type'" not in written:
                return
            problem = "its chat template does not write both question and answer"
        raise DataError(
            f"Asked to load {self._name!r} as the guard {self.guard.name!r}; {problem}. Copy the tokenizer files of "
            "the model there, or write a template into a guard file of your own (--guard)."
        )


_ROLES = ("user", "assistant")


def _filled(passes: Sequence[Sequence[int]]) -> Encoded:
    longest = max(map(len, passes), default=0)
    row = np.full((len(passes), longest), FILLER, np.int32)
    for i, ids in enumerate(passes):
        row[i, longest - len(ids) :] = ids
    return row


def combined(guard: Guard, masses: Masses) -> tuple[Masses, Masses]:
    """Put the passes of pairs together.

    Parameters
    ----------
    guard : Guard
        Whose passes they are.
    masses : array of shape (n, passes, classes)
        Probability of each class of verdicts as the next token, the classes in the order of `guard.verdicts`.

    Returns
    -------
    scores : array of shape (n, len(guard.labels))
        Probability of each label among verdicts; NaN where these have less mass than `guard.least_mass` together.
    mass : array of shape (n,)
        Probability of a verdict at all; of several policies the least.

    Notes
    -----
    Where verdicts on other questions come first, as in "request: yes, response: no", the probability of a class is the
    sum over what these may be: the product of the probabilities along each path.
    """
    by_class, _ = tree_sums(guard, masses, rest=np.zeros(masses.shape[:-1]))
    total = by_class.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = by_class / total[..., None]
    shares[~(total >= guard.least_mass)] = np.nan
    return labelled(guard, shares), total.min(axis=1)


def tree_sums(guard: Guard, masses: Masses, *, rest: Masses) -> tuple[Masses, Masses]:
    """Mass of each class (n, questions, classes) over all paths, and of what is not told of (n, questions).

    `masses` is as for `combined`, `rest` of shape (n, passes): what tokens have that nobody told of.
    """
    n, n_questions, n_classes = len(masses), len(guard.questions), masses.shape[-1]
    tree = masses.reshape(n, n_questions, len(guard.starts), n_classes)
    unknown = rest.reshape(n, n_questions, len(guard.starts))
    weight, left, first = np.ones((n, n_questions, 1)), np.zeros((n, n_questions)), 0
    for depth in range(len(guard.prefixes)):
        here = slice(first, first + n_classes**depth)
        left = left + (unknown[:, :, here] * weight).sum(axis=-1)
        level = tree[:, :, here] * weight[..., None]
        first, weight = here.stop, level.reshape(n, n_questions, -1)
    return level.sum(axis=2), left


def labelled(guard: Guard, shares: Masses) -> Masses:
    """Arrange shares of classes (n, questions, classes) as the labels of a guard (n, labels)."""
    names = list(guard.verdicts)
    if not guard.policies:
        found: Masses = shares[:, 0, [names.index(label) for label in guard.labels]]
        return found
    unsafe = shares[:, :, names.index(UNSAFE)]
    of_targets = {policy.target: unsafe[:, i] for i, policy in enumerate(guard.policies)}
    whole = of_targets.get(UNSAFE, unsafe.max(axis=1))
    return np.stack([of_targets.get(label, whole) for label in guard.labels], axis=1)


class VerdictRead:
    """Scores of a guard: next-token probabilities at the end of each pass, summed over the tokens of each class."""

    def __init__(self, model: Any, text: GuardText, *, pad_id: int, n_ids: int) -> None:
        self._model = model
        self._guard = text.guard
        self._ids = list(text.verdict_ids().values())
        self._pad_id = pad_id
        self._n_ids = n_ids
        self._n_known = self._n_seen = 0
        self._mass = 0.0

    def __call__(self, rows: Sequence[Encoded], *, length: int) -> Floats:
        """Scores of token ids, float32 of shape (n, k); NaN for a pair that cannot be read or has no verdict."""
        is_readable = np.array([row.size > 0 and int(row.max()) < self._n_ids for row in rows], bool)
        n_passes = len(self._guard.questions) * len(self._guard.starts)
        passes = np.full((len(rows), n_passes, length), FILLER, np.int64)
        for i in np.flatnonzero(is_readable).tolist():
            passes[i, :, length - rows[i].shape[1] :] = rows[i]
        passes[~is_readable, :, -1] = self._pad_id
        masses = self._masses(passes.reshape(-1, length)).reshape(len(rows), n_passes, -1)
        scores, mass = combined(self._guard, masses)
        scores[~is_readable] = np.nan
        self._n_seen += int(is_readable.sum())
        self._n_known += int(np.isfinite(scores).all(axis=1).sum())
        self._mass += float(mass[is_readable].sum())
        return scores.astype(np.float32)

    def _masses(self, ids: npt.NDArray[np.int64]) -> Masses:
        torch = require("torch", extra="models")
        device = next(self._model.parameters()).device
        mask = (ids != FILLER).astype(np.int64)
        arrays = {
            "input_ids": np.where(mask, ids, self._pad_id),
            "attention_mask": mask,
            "position_ids": np.maximum(mask.cumsum(axis=1) - 1, 0),
        }
        tensors = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
        with torch.inference_mode():
            logits = self._model(**tensors, use_cache=False, logits_to_keep=1).logits[:, -1].double()
            logs = torch.log_softmax(logits, dim=-1)
            return np.stack(
                [torch.logsumexp(logs[:, list(which)], dim=-1).exp().cpu().numpy() for which in self._ids], -1
            )

    def announce(self, name: str) -> None:
        """Say on standard error how much of its probability the guard gave to verdicts since this was last said."""
        if self._n_seen:
            unknown = self._n_seen - self._n_known
            sys.stderr.write(
                f"{name} gave verdicts {self._mass / self._n_seen:.1%} of the probability of its next token (mean of "
                f"{self._n_seen:,} answers); of {unknown:,} the verdict is unknown, for it is below "
                f"{self._guard.least_mass:.0%}.\n"
            )
        self._n_known = self._n_seen = 0
        self._mass = 0.0
