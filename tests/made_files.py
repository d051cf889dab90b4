"""Rows written down in every form that people have them in, by other programs than the one that is tested."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import zstandard

from btviz.taxonomy import PKU_SAFERLHF, Taxonomy

Row = dict[str, Any]
Write = Callable[[list[Row], Path], Any]


def released(rows: pl.DataFrame, taxonomy: Taxonomy) -> list[Row]:
    """Rows of answers or of comparisons with the keys of a released file."""
    category = "harm_category" if taxonomy == PKU_SAFERLHF else "category"
    names = {"labels": category, "severity": "severity_level", "source": "response_source"}
    names |= {f"{order}": f"{order}_response_id" for order in ("better", "safer", "overall")}
    for side in "01":
        names |= {f"labels_{side}": f"response_{side}_harm_category", f"is_safe_{side}": f"is_response_{side}_safe"}
        names |= {f"severity_{side}": f"response_{side}_severity_level", f"source_{side}": f"response_{side}_source"}
    flagged = [name for name in rows.columns if name.startswith("labels")]
    return [
        {names.get(key, key): _flags(value, taxonomy) if key in flagged else value for key, value in row.items()}
        for row in rows.drop("split", strict=False).to_dicts()
    ]


def _flags(mask: int | None, taxonomy: Taxonomy) -> dict[str, bool] | None:
    return None if mask is None else {key: bool(mask >> bit & 1) for bit, key in enumerate(taxonomy.keys)}


def json_lines(rows: Iterable[Row], *, end: str = "\n", spaced: bool = False) -> str:
    separators = (", ", ": ") if spaced else (",", ":")
    return "".join(json.dumps(row, separators=separators, ensure_ascii=spaced) + end for row in rows)


def flat(rows: list[Row]) -> list[Row]:
    """One cell a column: objects unfolded as ``name.key``. Of an unknown object each cell is empty."""
    members = {key: list(value) for row in rows for key, value in row.items() if isinstance(value, dict)}
    unfolded = []
    for row in rows:
        cells: Row = {}
        for key, value in row.items():
            if key in members:
                cells |= {f"{key}.{name}": None if value is None else value[name] for name in members[key]}
            else:
                cells[key] = value
        unfolded.append(cells)
    return unfolded


def table(rows: list[Row], *, separator: str = ",", flag: Callable[[bool], str] = str) -> str:
    """A CSV as Python writes it; null is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(flat(rows)[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(
        {key: flag(value) if isinstance(value, bool) else value for key, value in row.items()} for row in flat(rows)
    )
    return text.getvalue()


def frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, infer_schema_length=None)


def _text(encode: Callable[[str], bytes], ending: str, make: Callable[[list[Row]], str]) -> Write:
    def write(rows: list[Row], path: Path) -> Path:
        file = path.with_name(path.name + ending)
        file.write_bytes(encode(make(rows)))
        return file

    return write


def _zip(rows: list[Row], path: Path) -> Path:
    file = path.with_suffix(".zip")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.jsonl", json_lines(rows))
    return file


def _with(ending: str, write: Callable[[list[Row], Path], Any]) -> Write:
    def put(rows: list[Row], path: Path) -> Path:
        file = path.with_name(path.name + ending)
        write(rows, file)
        return file

    return put


def _arrow(rows: list[Row], path: Path, *, stream: bool) -> None:
    made = frame(rows).to_arrow(compat_level=pl.CompatLevel.oldest())
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(str(path), made.schema) as writer:
        writer.write_table(made)


def _arrow_table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def _saved(rows: list[Row], path: Path) -> Path:
    """A folder as `save_to_disk` of `datasets` leaves it."""
    path.mkdir()
    _arrow(rows, path / "data-00000-of-00001.arrow", stream=True)
    (path / "dataset_info.json").write_text(json.dumps({"citation": "", "description": "", "features": None}))
    (path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    return path


def _utf8(text: str) -> bytes:
    return text.encode()


def _of_spreadsheet(rows: list[Row]) -> str:
    return "\ufeff" + table(rows, separator=";", flag=lambda flag: str(flag).upper())


def _array(rows: list[Row]) -> str:
    return json.dumps(rows, indent=2)


def _columns(rows: list[Row]) -> str:
    return json.dumps({key: {str(at): row[key] for at, row in enumerate(rows)} for key in rows[0]})


def _viewer(rows: list[Row]) -> str:
    return json.dumps({"features": [], "rows": [{"row_idx": at, "row": row} for at, row in enumerate(rows)]})


def _as_python_prints(rows: list[Row]) -> str:
    printed = [{k: str(v) if isinstance(v, dict) else v for k, v in row.items()} for row in rows]
    return table(printed)


FILES: dict[str, Write] = {
    "lines": _text(_utf8, ".jsonl", json_lines),
    "spaced lines": _text(_utf8, ".jsonl", lambda rows: json_lines(rows, spaced=True)),
    "lines of Windows": _text(_utf8, ".jsonl", lambda rows: "\ufeff" + json_lines(rows, end="\r\n")),
    "lines in UTF-16": _text(lambda text: text.encode("utf-16"), ".jsonl", json_lines),
    "gzip": _text(lambda text: gzip.compress(text.encode()), ".jsonl.gz", json_lines),
    "xz": _text(lambda text: lzma.compress(text.encode()), ".jsonl.xz", json_lines),
    "zstd": _text(lambda text: zstandard.compress(text.encode()), ".jsonl.zst", json_lines),
    "zip": _zip,
    "array": _text(_utf8, ".json", _array),
    "object of columns": _text(_utf8, ".json", _columns),
    "rows of the viewer": _text(_utf8, ".json", _viewer),
    "csv": _text(_utf8, ".csv", table),
    "csv in gzip": _text(lambda text: gzip.compress(text.encode()), ".csv.gz", table),
    "csv as Python prints": _text(_utf8, ".csv", _as_python_prints),
    "csv of a spreadsheet": _text(_utf8, ".csv", _of_spreadsheet),
    "csv in UTF-16": _text(lambda text: text.encode("utf-16"), ".csv", lambda rows: table(rows, separator="\t")),
    "tsv": _text(_utf8, ".tsv", lambda rows: table(rows, separator="\t", flag=lambda f: str(int(f)))),
    "csv with yes": _text(_utf8, ".csv", lambda rows: table(rows, flag=lambda f: "yes" if f else "no")),
    "csv with 1.0": _text(_utf8, ".csv", lambda rows: table(rows, flag=lambda f: "1.0" if f else "0.0")),
    "parquet": _with(".parquet", lambda rows, path: frame(rows).write_parquet(path)),
    "flat parquet": _with(".parquet", lambda rows, path: frame(flat(rows)).write_parquet(path)),
    "parquet by pyarrow": _with(".parquet", lambda rows, path: pa.parquet.write_table(_arrow_table(rows), path)),
    "arrow": _with(".arrow", lambda rows, path: _arrow(rows, path, stream=False)),
    "arrow stream": _with(".arrow", lambda rows, path: _arrow(rows, path, stream=True)),
    "feather": _with(".feather", lambda rows, path: pa.feather.write_feather(_arrow_table(rows), str(path))),
    "saved data set": _saved,
}
"""Writers of files, by form: they take rows and a path without an ending, and return what is to be loaded."""

TABLES: dict[str, Write] = {
    "list of objects": lambda rows, _: rows,
    "Polars": lambda rows, _: frame(rows),
    "flat Polars": lambda rows, _: frame(flat(rows)),
    "lazy": lambda rows, _: frame(rows).lazy(),
    "pandas": lambda rows, _: pd.DataFrame(flat(rows)),
    "Arrow": lambda rows, _: _arrow_table(rows),
}
"""Tables in memory, made likewise."""
