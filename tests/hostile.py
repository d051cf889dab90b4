"""Benign releases whose texts would do something if any view took them for more than text."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode
from pathlib import Path

from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF

MARK = "zanzibar"
"""Is in every text, and nowhere else."""

PAYLOADS = [
    '<img src=x onerror="window.ran = true">',
    "<script>window.ran = true</script>",
    "<b onmouseover='window.ran = true'>bold</b>",
    "[link](javascript:window.ran=true) $x^2$ `code`",
    "</textarea><svg onload='window.ran = true'>",
    "=HYPERLINK(0)",
    "two\nlines\tand a tab",
]
SETS = [[], [], ["hate-speech", "discrimination"], ["hate-speech"], ["discrimination"], ["self-harm"], ["unethical"]]


def write_release(path: Path, *, prompts: int = 21, answers: int = 3) -> Path:
    """Write rows in the layout of BeaverTails: two annotations an answer, the second less strict."""
    with path.open("w") as out:
        for k in range(prompts * answers):
            prompt = f"{MARK} question {k % prompts} {PAYLOADS[k % prompts % len(PAYLOADS)]}"
            response = f"{MARK} answer {k} {PAYLOADS[k % len(PAYLOADS)]}"
            strict = SETS[k % len(SETS)]
            for labels in (strict, strict[: k % 2]):
                flags = {c.key: c.slug in labels for c in BEAVERTAILS.categories}
                row = {"prompt": prompt, "response": response, "category": flags, "is_safe": not labels}
                out.write(json.dumps(row) + "\n")
    return path


def write_comparisons(path: Path, *, prompts: int = 180, comparisons: int = 3) -> Path:
    """Write rows in the layout of PKU-SafeRLHF: in two of three the better answer is the safer one.

    Both answers are safe, or one, or none, in turns by prompt; every comparison has answers of its own.
    """
    harmless = dict.fromkeys((c.key for c in PKU_SAFERLHF.categories), False)
    with path.open("w") as out:
        for k in range(prompts * comparisons):
            prompt, turn = k % prompts, k // prompts
            safer = (turn + prompt // 2) % 2
            better = safer if (prompt // 3 + turn * (prompt % 2)) % 3 else 1 - safer
            row = {"prompt": f"{MARK} question {prompt} {PAYLOADS[prompt % len(PAYLOADS)]}"}
            for side in (0, 1):
                safe = prompt % 3 == 0 or (prompt % 3 == 1 and side == safer)
                harm = {} if safe else {PKU_SAFERLHF.categories[turn].key: True}
                row |= {
                    f"response_{side}": f"{MARK} answer {k} {side} {PAYLOADS[(k + side) % len(PAYLOADS)]}",
                    f"is_response_{side}_safe": safe,
                    f"response_{side}_harm_category": harmless | harm,
                    f"response_{side}_severity_level": 0 if safe else 1 + turn,
                }
            out.write(json.dumps(row | {"better_response_id": better, "safer_response_id": safer}) + "\n")
    return path


def readable(saved: str) -> str:
    """A saved notebook or the state of a view, with what is packed in it unpacked."""
    return re.sub("H4sI[A-Za-z0-9+/=]+", lambda found: gzip.decompress(b64decode(found[0])).decode(), saved)
