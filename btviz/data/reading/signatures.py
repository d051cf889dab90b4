"""What a file is that holds no rows of data: told by its first bytes, with the way out."""

from __future__ import annotations

import codecs
import re
import zipfile
from pathlib import Path

from btviz.data.reading.archives import SUFFIXES, members_of, packing_of, unpacking
from btviz.data.reading.files import Head, opened
from btviz.errors import DataError

_AGAIN = "Write the table again where it was made, as JSON lines, CSV or Parquet."

_SHEET = "Open it and save the sheet as CSV (UTF-8)."

_UNPACK = "Unpack it, and name the files in it or their folder."

_PAGE = "Fetch the file again: signed in where that is needed, and by the address that downloads it."

_PICKLE = "a pickle, which can run code when it is opened, so that btviz never opens one"

_BINARY: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x80[\x02-\x05].", _PICKLE, _AGAIN),
    (rb"\((?:dp|lp)\d*\n|c(?:copy_?reg|__builtin__|builtins|pandas|numpy)[\w.]*\n\w+\n|[\]}]q\0", _PICKLE, _AGAIN),
    (rb"SQLite format 3\0", "an SQLite database", "Write a table of it out as CSV: sqlite3 -header -csv FILE QUERY."),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel or Office file of the old kind", _SHEET),
    (rb"\x93NUMPY", "a NumPy array", _AGAIN),
    (rb"\x89HDF\r\n", "an HDF5 file", _AGAIN),
    (rb"FEA1", "a Feather file of the first version", "Write it again with a newer version: as Feather 2 or Parquet."),
    (rb"PARE[^A-Za-z_]", "an encrypted Parquet file", "Write it again without encryption."),
    (rb"ORC[\0-\x1f\x80-\xff]", "an ORC file", _AGAIN),
    (rb"Obj\x01", "an Avro file", _AGAIN),
    (rb".{8}DUCK", "a DuckDB database", "Write a table of it out: COPY (QUERY) TO 'rows.parquet'."),
    (rb"RD[AX][23]\n", "a file of R", _AGAIN),
    (rb".{257}ustar", "a tar archive", "mkdir -p {1} && tar -xf {0} -C {1}"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (rb"\x04\x22\x4d\x18", "an lz4 archive", _UNPACK),
    (rb"\xff\x06\0\0sNaPpY", "a snappy archive", _UNPACK),
    (rb"%PDF-", "a PDF document", "Name the file of the data itself."),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP", "an image", "Name the file of the data itself."),
    (rb"GGUF|.{8}\{\"(?:__metadata__|[\w.]+\":\{\"dtype)", "a file of a model's weights", "Name the data instead."),
)

_TEXT: tuple[tuple[bytes, str, str], ...] = (
    (
        rb"version https://git-lfs\.github\.com/spec|# xet version",
        "a Git LFS pointer, which stands for a file that was not downloaded",
        "In the folder that was cloned, run `git lfs pull`, or fetch the file from the hub.",
    ),
    (
        rb"(?:\.\./)+[^\s,;]+\s*\Z",
        "a link that was copied as text: it holds the path of the file it stood for",
        "Copy the folder again with its links, or name the file itself.",
    ),
    (rb"/annex/objects/|\.\./.*?\.git/annex/", "a git-annex pointer", "In the folder cloned, run `git annex get .`."),
    (rb"<!doctype html|<html|<head|<body", "a page of the web (HTML), often a login or an error", _PAGE),
    (rb"<\?xml|<(?:Error|rss)\b", "an XML document, often an error of a server", _PAGE),
    (
        rb"(?:entry|repository|file|not found|access|invalid|unauthorized|forbidden)[^\n,;\t|]{,200}\s*\Z",
        "one line of text, as servers send for an error",
        _PAGE,
    ),
    (rb"%YAML|---\r?\n", "a YAML or Markdown document", "Name the file of the data itself."),
    (rb"#!", "a program", "Name the file of the data itself."),
)

_IN_ZIP = (
    ("[Content_Types].xml", "an Excel workbook or another document of Office", _SHEET),
    ("mimetype", "a sheet or text of LibreOffice", _SHEET),
    ("data.pkl", "a file of PyTorch, which holds a pickle, and btviz opens none", _AGAIN),
    (".npy", "an archive of NumPy arrays", _AGAIN),
)


def refuse_strange(path: Path, head: Head) -> None:
    """Raise a DataError if the file is something that is known and holds no rows that can be read."""
    for start in (head.raw, head.text):
        for magic, what, advice in _BINARY:
            if re.match(magic, start, re.DOTALL):
                raise refusal(path, what, advice=_advice(path, advice))
    if packing_of(head.text) is not None:
        raise refusal(path, "an archive in an archive", advice="Unpack it once.")
    for magic, what, advice in _TEXT:
        if re.match(rb"\s*(?:" + magic + rb")", head.text, re.IGNORECASE):
            raise refusal(path, what, advice=advice)
    if _is_binary(head.text[:4096]):
        wrong = f"{said}, and " if (said := misnamed(path, head)) else ""
        raise refusal(path, f"of a kind unknown here: {wrong}it begins with the bytes {head.text[:8].hex(' ')}")


def refuse_other_encoding(path: Path, head: Head) -> None:
    """Raise a DataError if a text is in an older encoding, as Excel writes CSV unless told otherwise.

    Which of them it is nobody can say for sure, and a wrong guess alters texts; so none is made.
    """
    strange = [byte for byte in head.text if byte > 0x7F]
    text = head.text.decode(errors="replace")
    broken = text.count("\ufffd")
    # odd bytes in one row of several are damage
    ends = rb"\n" if b"\n" in head.text.strip() else rb"\r|\},?\s*\{"
    rows = [row for row in re.split(ends, head.text) if row.strip()]
    odd = sum(map(bool, map(_IN_WORDS.search, rows)))
    if odd > min(1, len(rows) - 1) and broken > sum(letter > "\x7f" for letter in text) - broken:
        name, where = ("GB18030", "in China") if _is_chinese(head.text) else ("WINDOWS-1252", "in the West")
        raise DataError(
            f"{path.name} was to be read; its text is not UTF-8 but in an older encoding: a letter is the byte "
            f"0x{strange[0]:02x}. Save it as UTF-8 (in Excel: CSV UTF-8), or, where it is of Windows {where}, run: "
            f"iconv -f {name} -t UTF-8 {path.name} > utf-8{path.suffix}"
        )


_IN_WORDS = re.compile(rb"[A-Za-z][\x92\xc0-\xff]|[\xa1-\xff]{2}")
"""Letters of older encodings, as they stand in words."""


def _is_chinese(text: bytes) -> bool:
    """Whether a text that is no UTF-8 is most likely Chinese: nearly all of its other letters come out as such."""
    letters = [letter for letter in text.decode("gb18030", errors="replace") if letter > "\x7f"]
    return sum("\u3000" <= letter <= "\u9fff" or "\uff00" <= letter <= "\uffef" for letter in letters) * 10 > 9 * len(
        letters
    )


def _advice(path: Path, advice: str) -> str:
    """What to do, in words or as commands that name the file."""
    command = unpacking(path.name, advice) if "{0}" in advice else ""
    return f"In its folder, unpack it: {command}" if command else advice


def refusal(path: Path, what: str, *, advice: str = "Name a file of JSON, CSV, Parquet or Arrow.") -> DataError:
    """Say what a file is that cannot be read."""
    return DataError(f"{path.name} was to be read; it is {what}. {advice}")


def misnamed(path: Path, head: Head) -> str | None:
    """What the ending of a name says that is not so; None where name and content agree."""
    packing = SUFFIXES.get(path.suffix.lower())
    if packing is None or packing_of(head.raw) == packing:
        return None
    return f"it is named {path.suffix.lower()} and is no {packing} archive"


def _is_binary(start: bytes) -> bool:
    """Whether bytes that no text has are no rarity; some damage, or a null byte, makes no binary file."""
    strange = sum(byte < 9 or 13 < byte < 28 or byte == 127 for byte in start)
    nulls = start.count(0)
    return nulls * 10 > len(start) or (strange * 50 > len(start) and not _is_utf8(start))


def _is_utf8(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True


def refuse_documents(path: Path) -> None:
    """Raise a DataError if the file is a document that is a zip archive inside, or no sound archive."""
    with opened(path) as file:
        if packing_of(file.peek(4)) != "zip":
            return
    try:
        with zipfile.ZipFile(path) as archive:
            names = [member.filename for member in members_of(archive)]
    except (zipfile.BadZipFile, OSError) as error:
        raise refusal(path, "a zip archive that is damaged or cut short", advice="Fetch it again.") from error
    for ending, what, advice in _IN_ZIP:
        if any(name.endswith(ending) for name in names):
            raise refusal(path, what, advice=advice)
