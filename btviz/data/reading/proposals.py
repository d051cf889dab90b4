"""What to say of a file that no shape fits, or of which no row can be kept: what its columns look like."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.data.keys import is_key
from btviz.data.reading.cells import Column, column_at
from btviz.data.reading.columns import SAFE, UNSAFE
from btviz.data.reading.files import damage_of
from btviz.data.reading.label_column import names_in
from btviz.data.reading.layouts import Layout, looks_like_label
from btviz.data.reading.record import Batch, is_sentence, showable_columns, shown_columns
from btviz.data.reading.summaries import Summary, summaries
from btviz.errors import DataError
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.spelling import bit_of, plain_name

_TEXTS = {"texts", "words", "messages"}
_LABELS = {"flags by name", "scores by name", "names", "words", "codes"}

_NAMED: Mapping[str, str] = {
    "prompt": r"prompt|question|instruction|query|request|problem|goal|behaviou?r|user|human|input|text|q"
    r"|history|post|问题|提问|提示词|提示|指令|问",
    "response": r"response|answer|completion|reply|output|generation|assistant|bot|model|target|a"
    r"|回答|答案|回复|答复|答",
    "severity": r"severity|level|严重程度",
    "better": r"better|preferred|preference|winner|helpful",
    "safer": r"safer|harmless",
    "labels": r"categor(?:y|ies)|labels|hazards?|harms?|types?|violat\w*|class(?:es)?|topics?|tags|flags|scores"
    r"|类别|分类|类型|标签",
}
"""Words in the name of a column that speak for what it holds, the surest first."""

_UNSAFE = re.compile(r"unsafe|harm|toxic|flag|violat|malicious|danger|bad|risk|jailbreak|offens|hate|不安全|有害|违规")
_SAFE = re.compile(r"safe|benign|harmless|clean|acceptable|安全|无害")
_VERDICT = re.compile(r"label|verdict|safety|moderation|is_|judg|rating|class|annotation")
_ORDER = re.compile(r"safer|better|preferred|response_?id")
_CHOSEN = (("chosen", "rejected"), ("preferred", "dispreferred"), ("winner", "loser"), ("win", "lose"))
"""Names of two answers that say which was preferred."""

_SIDES = (("0", "1"), ("1", "2"), ("a", "b"), *_CHOSEN, ("first", "second"), ("left", "right"))

_NO_TEXT = re.compile(r"(^|[_.\- ])(?:id|uid|uuid|hash|sha\d*|url|created)([_.\- ]|$)")
"""Words in the name of a column whose texts are no answers."""


def proposal(sample: Sequence[Summary]) -> dict[str, str]:
    """A mapping of columns that look like something; columns of the data set by how sure that is."""
    free = {summary.key: summary for summary in sample if not is_key(summary.key)}
    found: dict[str, str] = {}

    def take(column: str, key: str | None, *, value: str | None = None) -> None:
        if key is not None:
            found[column] = value or key
            free.pop(key, None)

    chat = _only_chat(free)
    sides = _two_answers(free)
    others = {key: summary for key, summary in free.items() if key not in (sides or ())}
    asked = (_best("prompt", columns, kinds=_TEXTS) for columns in (others, free))
    take("prompt", chat or next(filter(None, asked), None) or _only_text(free))
    sides = _two_answers(free)
    for column, key in zip(("response_0", "response_1"), sides or (), strict=False):
        take(column, key)
    if not sides:
        take("response", _best("response", free, kinds=_TEXTS) or (None if chat else _only_text(free)))
    for column in ("better", "safer") if sides else ():
        order = _best(column, free, kinds={"flags", "codes", "words"})
        take(column, order, value=None if order is None else _from_least(free[order]))
    if sides and not {"better", "safer"} & found.keys() and _say_which(sides):
        found["overall"] = ":0"
    safety = None if sides else _safety(free)
    if safety is not None:
        take("is_safe", safety[0], value=safety[1])
    severity = None if sides else _best("severity", free, kinds={"codes", "flags", "words"})
    take("severity", severity, value=None if severity is None else _from_least(free[severity]))
    labels = None if sides else _best("labels", free, kinds=_LABELS)
    take("labels", labels, value=None if labels is None else _labels(free[labels]))
    return found


def _best(column: str, free: Mapping[str, Summary], *, kinds: set[str]) -> str | None:
    """The column whose name says most clearly that it is the one, of those that hold what it must."""
    for word in _NAMED[column].split("|") if column != "labels" else [_NAMED[column]]:
        pattern = re.compile(rf"(^|[_.\- ])(?:{word})([_.\- \d]|$)")
        for key, summary in free.items():
            if summary.holds in kinds and pattern.search(_plain(key)):
                return key
    return None


def _only_chat(free: Mapping[str, Summary]) -> str | None:
    """The one column that holds whole chats, with their answers."""
    chats = [key for key, summary in free.items() if summary.holds == "messages"]
    prompt, response = (_best(column, free, kinds=_TEXTS) for column in ("prompt", "response"))
    whole = prompt is None or (response is None and prompt not in chats)
    return chats[0] if len(chats) == 1 and whole else None


def _plain(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()


def _only_text(free: Mapping[str, Summary]) -> str | None:
    texts = [key for key, summary in free.items() if summary.holds == "texts"]
    return texts[0] if len(texts) == 1 else None


def _two_answers(free: Mapping[str, Summary]) -> tuple[str, str] | None:
    """Two columns of texts whose names differ only in which answer they are."""
    held = {_plain(key): key for key, summary in free.items() if summary.holds in {"texts", "messages"}}
    texts = {name: key for name, key in held.items() if not _NO_TEXT.search(name)}
    for first, second in _SIDES:
        for name, key in texts.items():
            if re.search(rf"(^|[_.\- a-z]){first}$", name):
                other = name.removesuffix(first) + second
                if other in texts and other != name:
                    return key, texts[other]
    return None


def _say_which(sides: tuple[str, str]) -> bool:
    """Whether the names of two answers tell that the first was preferred."""
    return any(_plain(key).endswith(chosen) for key in sides[:1] for chosen, _ in _CHOSEN)


def _safety(free: Mapping[str, Summary]) -> tuple[str, str] | None:
    """The column that says whether an answer is safe, and how."""
    for pattern in (_SAFE, _UNSAFE, None, _VERDICT):
        for key, summary in free.items():
            name = _plain(key)
            fits = _says_safe(summary) if pattern is None else bool(pattern.search(name) and not _ORDER.search(name))
            if fits and (summary.holds == "flags" or _says_safe(summary)):
                return key, key + ":unsafe" * (summary.holds == "flags" and _turned(name))
            named = _UNSAFE.search(name) or _SAFE.search(name)
            if fits and named and summary.holds == "scores" and _are_shares(summary):
                return key, f"{key}>0.5" + ":unsafe" * _turned(name)
    return None


def _are_shares(summary: Summary) -> bool:
    """Whether scores lie between 0 and 1, where 0.5 is a cut to begin with; of others nobody can say one."""
    return summary.low is not None and summary.high is not None and summary.low >= 0 and summary.high <= 1


def _turned(name: str) -> bool:
    """Whether true speaks for unsafe, by the name of a column."""
    return bool(re.search("unsafe|not_?safe|不安全", name)) or not (_SAFE.search(name) or name.startswith("is_ok"))


def _says_safe(summary: Summary) -> bool:
    words = {plain_name(label.partition("\n")[0]) for label in summary.labels}
    return summary.holds == "words" and words <= {plain_name(word) for word in (*SAFE, *UNSAFE)}


def _labels(summary: Summary) -> str:
    if summary.holds == "codes" or (summary.holds == "names" and summary.low is not None):
        return _from_least(summary, always=True)
    return f"{summary.key}>0.5" if summary.holds == "scores by name" else summary.key


def _from_least(summary: Summary, *, always: bool = False) -> str:
    """Numbers that may begin at 0 or at 1: at 0 where that occurs, or where it need not be said."""
    begins_at_1 = (summary.low or 0) >= 1 if always else summary.low == 1
    return f"{summary.key}:from={int(begins_at_1)}" if always or begins_at_1 else summary.key


@dataclass(frozen=True)
class Place:
    """What messages call a file or a table, and how it is named on a command line and in Python."""

    name: str
    path: Path | None = None

    @property
    def shown(self) -> str:
        """A path as it can be typed here."""
        if self.path is None:
            return self.name
        try:
            return str(self.path.resolve().relative_to(Path.cwd()))
        except (OSError, ValueError):
            return str(self.path)

    def lines(self, columns: Mapping[str, str]) -> tuple[str, str]:
        """How to load it with a mapping, on the command line (empty for a table in memory) and in Python."""
        said = json.dumps(dict(columns), ensure_ascii=False)
        if self.path is None:
            return "", f"btviz.load({self.name}, columns={said})"
        pairs = " ".join(shlex.quote(f"{column}={value}") for column, value in columns.items())
        call = "" if self.shown == "-" else f"btviz.load({json.dumps(self.shown, ensure_ascii=False)}, columns={said})"
        return f"btviz data add NAME {shlex.quote(self.shown)} --columns {pairs}", call

    def line(self, columns: Mapping[str, str]) -> str:
        """Both in one sentence."""
        command, call = self.lines(columns)
        return f"{command} (in Python: {call})" if command else call

    def command(self, text: str) -> str:
        """A command about it, for what has one."""
        return text.replace("FILE", shlex.quote(self.shown)) if self.path is not None else ""


def looks(sample: Sequence[Summary], columns: Mapping[str, str]) -> str:
    """What columns look like, with counts."""
    by_key = sorted((summary for summary in sample), key=lambda summary: -len(summary.key))
    said = []
    for column, value in columns.items():
        summary = next((s for s in by_key if _is_used(s, {column: value})), None)
        if summary is not None:
            turned = ", where true says unsafe" if value.endswith(":unsafe") else ""
            said.append(f"{summary.key!r} looks like {column}{turned} ({summary.words})")
    return "; ".join(said)


def unrecognised(place: Place, sample: Batch) -> DataError:
    """Say of a file that no shape fits what its columns look like, and propose a mapping."""
    if not len(sample.lines) or not sample.columns:
        return _without_rows(place, sample)
    seen = summaries(sample)
    proposed = proposal(seen)
    if lacks_header(seen):
        return DataError(f"{place.name} was to be read; {NO_HEADER[0].lower()}{NO_HEADER[1:]}")
    asked = f"{place.name} was to be read; its columns {shown_columns([s.key for s in seen])} fit no known shape"
    if several := several_answers(place, seen, proposed=proposed):
        return DataError(f"{asked}. {several}")
    if "prompt" in proposed:
        left = [s.key for s in seen if looks_like_label(s.key) and not _is_used(s, proposed)]
        rest = f"{shown_columns(left)} would not be kept, and look like labels. " if left else ""
        see_all = place.command("To see all: btviz data inspect FILE")
        return DataError(
            f"{asked}. {looks(seen, proposed)}. {rest}If that is so, say it: {place.line(proposed)}. "
            + _scores_too(place, left)
            + see_all
        )
    shown = set(showable_columns([s.key for s in seen]))
    held = "; ".join(f"{s.key!r}: {s.words}" for s in seen[:12] if s.key in shown)
    return DataError(
        f"{asked}, and none looks like a prompt ({held}). Say what they are, as in: "
        + place.line({"prompt": "COLUMN", "response": "COLUMN", "is_safe": "COLUMN"})
    )


_SEVERAL = re.compile(rf"(?:{_NAMED['response']}|candidate|sample|continuation)s?([_.\- ]|$)")


def several_answers(place: Place, sample: Sequence[Summary], *, proposed: Mapping[str, str]) -> str:
    """How to read a file whose rows hold any number of answers, with what is said of each; empty for other files."""
    lists = [summary for summary in sample if summary.holds == "lists" and _SEVERAL.search(_plain(summary.key))]
    if not lists or {"response", "response_0"} & proposed.keys():
        return ""
    columns = json.dumps({"prompt": proposed.get("prompt", "COLUMN"), "response": "response"}, ensure_ascii=False)
    table = "pl.read_parquet" if (place.path or Path()).suffix == ".parquet" else "pl.read_ndjson"
    rows = place.name if place.path is None else f"{table}({json.dumps(place.shown, ensure_ascii=False)})"
    key = json.dumps(lists[0].key, ensure_ascii=False)
    return (
        f"{lists[0].key!r} holds several answers in one row ({lists[0].words}); a row has one answer or two. Make a "
        f"row of each, where response is the text of an answer: btviz.load({rows}.explode({key}).unnest({key}), "
        f"columns={columns})"
    )


NO_HEADER = (
    "Its columns are named by sentences or values, so that its first line seems to be no header. Write the names of "
    "its columns above it, such as prompt,response; a list of prompts, one a line, is read if its name ends in .txt."
)


def lacks_header(sample: Sequence[Summary]) -> bool:
    """Whether texts or values of a row seem to stand where names of columns belong: then none of them is shown."""
    names = [_plain(summary.key) for summary in sample if not is_sentence(summary.key)]
    known = re.compile(rf"(^|[_.\- ])(?:{_NAMED['prompt']}|{_NAMED['response']})([_.\- \d]|$)")
    doubtful = len(showable_columns([summary.key for summary in sample])) < len(sample)
    return (doubtful or len(names) < len(sample)) and not any(map(known.search, names))


def _scores_too(place: Place, keys: Sequence[str]) -> str:
    """What to do with a file of scores, which is no data set of its own."""
    if not any(re.search(r"score|reward|cost", key.lower()) for key in keys):
        return ""
    return place.command("If these are scores of answers that you have loaded: btviz score NAME --from FILE. ")


def _without_rows(place: Place, sample: Batch) -> DataError:
    damage = None if place.path is None else damage_of(place.path)
    if damage is not None:
        return DataError(
            f"{place.name} was to be read; its archive is damaged before the first whole row ({damage}). Fetch or copy "
            "it again."
        )
    counts = Counter(f"{f.kind} ({f.detail})" for _, f in sample.findings if f.rejects)
    found = "; ".join(f"{what} in {n:,}" for what, n in counts.most_common(3))
    narrow = any(re.search(r"the header has 1$", f.detail) for _, f in sample.findings)
    header = " Its first line is no header: delete what stands above the names of the columns." * narrow
    return DataError(
        f"{place.name} was to be read; no row of it can be read: {found or 'it holds none'}. Rows are JSON objects, or "
        f"rows of a table with their names in the first line.{header} Look at the file, or fetch it again."
    )


def _is_used(summary: Summary, columns: Mapping[str, str]) -> bool:
    """Whether a mapping takes a column, or a member of its objects."""
    return any(re.match(rf"{re.escape(summary.key)}([:>.]|$)", value) for value in columns.values())


def of_doubtful_numbers(place: Place, layout: Layout, *, sample: Batch) -> DataError:
    """Say of a file whose categories are numbers that nobody can say which the first is, and how to say it."""
    proposed = proposal(summaries(sample)) | {"labels": f"{layout.doubt}:from=0"}
    columns = {column: value for column, value in proposed.items() if column in layout.schema or column == "labels"}
    return DataError(
        f"{place.name} was to be read as {layout.name}; categories in {layout.doubt!r} are numbers, and none of them "
        f"tells whether the first category is 0 or 1. Say which, from=0 or from=1: {place.line(columns)}"
    )


def _names_none(column: Column, taxonomy: Taxonomy) -> bool:
    """Whether a column names categories, and none that is known."""
    names = names_in(column)
    return bool(names) and all(bit_of(name, taxonomy) is None for name in names)


def nothing_kept(place: Place, layout: Layout, *, problems: pl.DataFrame, rows_in: int, sample: Batch) -> DataError:
    """Say of a file whose rows, or whose labels, can all not be kept, what they are and what they were to be."""
    of_rows = problems.filter(pl.col("line").is_not_null() & ~pl.col("kind").is_in(_REMARKS))
    counts = of_rows.group_by("kind", "detail").len().sort("len", "kind", "detail", descending=[True, False, False])
    most = counts.head(3).rows()
    found = "; ".join(f"{kind} ({detail}) in {n:,}" for kind, detail, n in most)
    wanted = {f.key: f for f in layout.fields if f.key and any(detail.startswith(f.key) for _, detail, _ in most)}
    said = "; ".join(f"{f.column} is read from {f.key!r} as {f.reader.wants}" for f in wanted.values())
    proposed = proposal(summaries(sample))
    column = column_at(sample.columns, proposed["labels"]) if "labels" in proposed else None
    are_strange = column is not None and layout.taxonomy is not None and _names_none(column, layout.taxonomy)
    if "labels" in proposed and not are_strange and most and most[0][0] == "missing category":
        proposed["labels"] += ":partial"
    advice = [place.command("See what the file holds: btviz data inspect FILE") or "Look at its columns"]
    if "prompt" in proposed and not are_strange:  # else the line would be refused again
        advice = [f"Where its columns mean something else, say so: {place.line(proposed)}"]
    categories = ""
    if any("category" in kind for kind, _, _ in most):
        advice.append(place.command("For categories of your own: btviz data taxonomy FILE > mine.toml"))
        categories = f" with the categories of {layout.taxonomy.name!r}" if layout.taxonomy else ""
    lost = "rows none" if of_rows.filter(action="rejected")["line"].n_unique() == rows_in else "rows no label"
    return DataError(
        f"{place.name} was to be read as {layout.name}{categories}; of its {rows_in:,} {lost} can be kept: {found}. "
        + f"{said}. " * bool(said)
        + ". ".join(filter(None, advice))
    )


_REMARKS = ("extra key", "missing answer", "very long text", "null byte")
