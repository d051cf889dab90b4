"""A benign release whose texts would do something if any view took them for more than text."""

from __future__ import annotations

import json
from pathlib import Path

from btviz.taxonomy import BEAVERTAILS

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
