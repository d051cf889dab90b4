"""Which files a folder, a link or the hub's cache stands for, what is passed over there, and what counts once."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import btviz
from btviz.cli import app
from btviz.data import add, catalog
from btviz.data.copies import FileRows, copies_of
from btviz.data.sources import Source, means_path
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.store import documents, remembered_sha256
from btviz.taxonomy.categories import BEAVERTAILS

REVISION = "8401fe609d288129cc684a9b3be6a93e41cfe678"


def lines(*numbers: int) -> list[dict[str, Any]]:
    """A benign row for each number; every third is flagged."""
    return [
        {
            "prompt": f"how do I fold kite {n}",
            "response": f"along line {n}",
            "category": {key: n % 3 == 0 and key == "privacy_violation" for key in BEAVERTAILS.keys},
            "is_safe": n % 3 != 0,
        }
        for n in numbers
    ]


def text_of(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text_of(rows)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, with one file of one data set, as its client lays them."""
    root = tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(root))
    return root


def cached(root: Path, *, repo_id: str = "PKU-Alignment/BeaverTails", revision: str = REVISION) -> Path:
    """Put a file into the cache; return its name in the snapshot, a link to a blob without suffix."""
    folder = root / f"datasets--{repo_id.replace('/', '--')}"
    blob = write(folder / "blobs" / "0f1e.gz", lines(*range(12)))
    blob.rename(folder / "blobs" / "0f1e")
    link = folder / "snapshots" / revision / "round0" / "30k" / "test.jsonl.gz"
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(folder / "blobs" / "0f1e", link.parent))
    return link


# links and the hub's cache ----------------------------------------------------------------------


def test_a_link_into_the_cache_is_read_under_its_own_name(cache: Path) -> None:
    link = cached(cache)
    ds = btviz.load(link)
    assert (ds.name, ds.annotations.height, set(ds.annotations["split"])) == ("test", 12, {"test"})
    assert [file["label"] for file in ds.facts["files"]] == ["test.jsonl.gz"]
    assert add("mine", [link]).annotations.height == 12


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_snapshot_and_the_folders_above_it_are_one_data_set(cache: Path, depth: int) -> None:
    folder = cached(cache).parents[depth]  # the snapshot, snapshots/, the repository
    ds = btviz.load(folder)
    assert ds.annotations.height == 12
    assert ds.name == "BeaverTails"


def test_a_link_that_was_written_as_text_is_followed(cache: Path) -> None:
    link = cached(cache)
    target = link.readlink()
    link.unlink()
    link.write_text(str(target))  # as git does on systems without links
    ds = btviz.load(link)
    assert (ds.name, ds.annotations.height) == ("test", 12)
    assert btviz.load("PKU-Alignment/BeaverTails").annotations.height == 12
    (link.parent / "elsewhere.jsonl").write_bytes(link.resolve().parent.joinpath(target).read_bytes())
    link.write_text("../30k/elsewhere.jsonl")  # it leads to rows, and not into the cache's store
    with pytest.raises(DataError, match="a link that was copied as text"):
        btviz.load(link)


def test_a_blob_is_read_by_what_it_holds(cache: Path) -> None:
    blob = cached(cache).resolve()
    assert btviz.load(blob).annotations.height == 12
    assert btviz.load(blob.parent).annotations.height == 12


def test_a_repository_in_the_cache_is_loaded_by_its_id(cache: Path) -> None:
    cached(cache)
    ds = btviz.load("PKU-Alignment/BeaverTails")
    assert (ds.name, ds.annotations.height) == ("PKU-Alignment/BeaverTails", 12)
    assert btviz.load("hf://datasets/PKU-Alignment/BeaverTails").fingerprint == ds.fingerprint


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"HF_HOME": "{}/home"}, "home/hub"),
        ({"XDG_CACHE_HOME": "{}/cache"}, "cache/huggingface/hub"),
        ({"HOME": "{}/person"}, "person/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_the_hubs_client_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], place: str
) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    cached(tmp_path / place)
    assert btviz.load("PKU-Alignment/BeaverTails").annotations.height == 12


def test_a_repository_that_is_not_in_the_cache_says_how_to_fetch_it(cache: Path) -> None:
    with pytest.raises(NotFoundError, match=r"btviz data fetch beavertails-30k.*hf download PKU-Alignment/BeaverTails"):
        btviz.load("PKU-Alignment/BeaverTails")


def test_the_list_names_releases_in_the_cache(cache: Path) -> None:
    cached(cache)
    printed = CliRunner().invoke(app, ["data", "list"]).stdout.splitlines()
    there = {line.split()[0] for line in printed if "in the hub's cache" in line}
    assert there == {"beavertails-30k"}
    with pytest.raises(NotFoundError, match="btviz data add beavertails-30k"):
        btviz.load("beavertails-30k")


def test_the_pinned_snapshot_is_read_before_others(cache: Path) -> None:
    cached(cache)
    folder = cache / "datasets--PKU-Alignment--BeaverTails"
    write(folder / "snapshots" / ("0" * 40) / "other.jsonl", lines(1))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    assert btviz.load("PKU-Alignment/BeaverTails").annotations.height == 12
    with pytest.warns(UserWarning, match="8401fe6 is read"):
        assert btviz.load(folder).annotations.height == 12


def test_the_real_file_in_the_cache_is_recognised_as_the_release(cache: Path, shared_data: Path) -> None:
    link = cached(cache)
    blob = link.resolve()
    blob.write_bytes((shared_data / "beavertails" / "30k_test.jsonl").read_bytes())
    plain = link.with_name("test.jsonl")
    link.rename(plain)
    assert btviz.load("PKU-Alignment/BeaverTails").release == "beavertails-30k"


# folders ----------------------------------------------------------------------------------------


def test_what_is_no_data_in_a_clone_is_named_and_passed_over(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    write(clone / "data" / "train.jsonl", lines(*range(4)))
    (clone / "dataset_infos.json").write_text('{"default": {"splits": {}}}')
    (clone / "stray.json").write_text('{"default": {"splits": {}}}')
    (clone / "README.md").write_text("# kites\n")
    (clone / ".gitattributes").write_text("*.gz filter=lfs\n")
    (clone / "gone.jsonl").symlink_to(clone / "nowhere")
    with pytest.warns(UserWarning, match="clone: passed over .*gitattributes") as told:
        ds = btviz.load(clone)
    assert len(told) == 1
    assert ds.annotations.height == 4
    assert sorted(ds.problems.select("file", "kind").rows()) == [
        (".gitattributes", "hidden"),
        ("README.md", "no data"),
        ("dataset_infos.json", "no data"),
        ("gone.jsonl", "broken link"),
        ("stray.json", "not readable as data"),
    ]
    assert set(ds.problems["action"]) == {"passed over"}
    with pytest.raises(DataError, match="strict=True"):
        btviz.load(clone, strict=True)


def test_a_stray_file_does_not_hide_a_release(tmp_path: Path, shared_data: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "copy.jsonl").write_bytes((shared_data / "beavertails" / "30k_test.jsonl").read_bytes())
    (clone / "stray.json").write_text('{"colour": "red"}')
    with pytest.warns(UserWarning, match="stray"):
        ds = btviz.load(clone)
    assert (ds.release, set(ds.annotations["split"])) == ("beavertails-30k", {"test"})
    assert ds.population == "clone, test split, 3,021 of 30,207"


def test_a_file_that_somebody_named_is_never_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", lines(1))
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(DataError, match=r"b\.json"):
        add("both", [tmp_path / "a.jsonl", tmp_path / "b.json"])


def test_a_folder_without_data_names_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.md").write_text("kites")
    with pytest.raises(DataError, match=r"holds no .*notes\.md"):
        btviz.load(tmp_path / "empty")


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "toy" / "a.jsonl", lines(1))
    (tmp_path / "toy" / "closed").mkdir()
    listed = Path.iterdir

    def iterdir(folder: Path) -> Any:
        if folder.name == "closed":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)  # root may read everything
    with pytest.warns(UserWarning, match="closed"):
        ds = btviz.load(tmp_path / "toy")
    assert ds.problems.select("file", "kind", "detail").rows() == [("closed", "unreadable folder", "Permission denied")]


def test_an_unreadable_file_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "toy" / "a.jsonl", lines(1))
    hashed = documents.sha256

    def sha256(path: Path) -> str:
        if path.name == "a.jsonl":
            raise PermissionError(13, "Permission denied")
        return hashed(path)

    monkeypatch.setattr(documents, "sha256", sha256)
    with pytest.raises(DataError, match="the system refuses it: Permission denied"):
        btviz.load(path)
    write(tmp_path / "toy" / "b.jsonl", lines(2))
    with pytest.warns(UserWarning, match="a.jsonl"):
        assert btviz.load(tmp_path / "toy").annotations.height == 1


def test_linked_folders_are_read_and_circles_end(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "test.jsonl", lines(1, 2))
    toy = tmp_path / "toy"
    write(toy / "train.jsonl", lines(3, 4))
    (toy / "linked").symlink_to(tmp_path / "elsewhere")
    (toy / "self").symlink_to(toy)
    (toy / "above").symlink_to(tmp_path)
    (tmp_path / "elsewhere" / "back").symlink_to(toy)
    (toy / "loop").symlink_to(toy / "loop")
    with pytest.warns(UserWarning, match="passed over"):
        ds = btviz.load(toy)
    assert ds.annotations["split"].value_counts().sort("split").rows() == [("test", 2), ("train", 2)]
    assert sorted(ds.problems.select("file", "kind").rows()) == [
        ("above", "folder met before"),
        ("linked/back", "folder met before"),
        ("loop", "broken link"),
        ("self", "folder met before"),
    ]


def test_names_that_are_no_text_are_shown_as_far_as_they_go(tmp_path: Path) -> None:
    write(tmp_path / "toy" / "a.jsonl", lines(1))
    strange = os.fsencode(tmp_path / "toy" / "b") + b"\xff"
    Path(os.fsdecode(strange + b".md")).write_text("tea")
    Path(os.fsdecode(strange + b".jsonl")).write_bytes(text_of(lines(2)) + b"{\n")
    with pytest.warns(UserWarning, match="toy: "):
        ds = btviz.load(tmp_path / "toy")
    assert ds.annotations.height == 2
    assert [file["label"] for file in ds.facts["files"]] == ["a.jsonl", "b\ufffd.jsonl"]
    assert ds.problems["file"].to_list() == ["b\ufffd.jsonl", "b\ufffd.md"]


def test_a_pointer_in_a_clone_is_named_for_what_it_is(tmp_path: Path) -> None:
    write(tmp_path / "clone" / "test.jsonl", lines(1))
    (tmp_path / "clone" / "train.jsonl").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )
    with pytest.warns(UserWarning, match=r"train\.jsonl \(it is a Git LFS pointer"):
        ds = btviz.load(tmp_path / "clone")
    assert "git lfs pull" in ds.problems["detail"][0]


@pytest.mark.parametrize("name", ["nowhere/a.jsonl", "x" * 5000, "a/" * 3000, "a\0b", "./\0", "nowhere.jsonl"])
def test_what_is_nowhere_is_not_found(name: str) -> None:
    for argument in (name, Path(name)):
        with pytest.raises(NotFoundError):
            btviz.load(argument)


# standard input ---------------------------------------------------------------------------------


def sent(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_is_kept_and_can_be_read_again(
    monkeypatch: pytest.MonkeyPatch, own_data_dir: Path, pack: Callable[[bytes], bytes]
) -> None:
    sent(monkeypatch, pack(text_of(lines(1, 2))))
    ds = add("piped", ["-"], split="test")
    assert (ds.annotations.height, set(ds.annotations["split"])) == (2, {"test"})
    assert ds.facts["files"][0]["label"].startswith("standard input")
    shutil.rmtree(own_data_dir / "store")
    assert btviz.load("piped").fingerprint == ds.fingerprint
    (kept,) = (own_data_dir / "received").iterdir()
    catalog.remove("piped")
    assert not kept.exists()


def test_a_pipe_with_a_name_is_read_as_standard_input_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=lambda: pipe.write_bytes(text_of(lines(1, 2))))
    writer.start()
    assert add("piped", [pipe]).annotations.height == 2
    writer.join()


def test_standard_input_that_is_no_data_leaves_nothing(monkeypatch: pytest.MonkeyPatch, own_data_dir: Path) -> None:
    for data in (b"", b"tea and kites\n"):
        sent(monkeypatch, data)
        with pytest.raises(DataError, match="to be read"):
            add("piped", ["-"])
    assert list((own_data_dir / "received").iterdir()) == []
    assert catalog.adopted() == []


NAMES = st.sampled_from(["a.jsonl", "b.jsonl.gz", "train", "README.md", ".hidden", "dataset_infos.json", "c.json"])

TREES = st.recursive(
    st.sampled_from(["rows", "no rows", "broken link", "link to root"]) | st.tuples(st.just("rows"), st.integers(0, 9)),
    lambda below: st.dictionaries(NAMES, below, max_size=4),
    max_leaves=12,
)


def plant(path: Path, tree: Any, *, root: Path) -> None:
    match tree:
        case dict():
            path.mkdir()
            for name, below in tree.items():
                plant(path / name, below, root=root)
        case ("rows", number):
            write(path, lines(number, number + 1))
        case "rows":
            write(path, lines(*range(8)))
        case "no rows":
            path.write_text("tea")
        case "broken link":
            path.symlink_to(path.with_name("nowhere"))
        case _:
            path.symlink_to(root)


@pytest.mark.slow
@settings(max_examples=25)
@given(tree=st.dictionaries(NAMES, TREES, max_size=4))
@pytest.mark.filterwarnings("ignore:toy")
def test_nothing_in_a_folder_is_left_unsaid(tree: Any) -> None:
    """Whatever lies in a folder is read, or named as passed over, or in a folder that is."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "toy"
        plant(root, tree, root=root)
        try:
            ds = btviz.load(root)
        except DataError:
            return
        read = {Path(file["path"]) for file in ds.facts["files"]}
        passed = [item["file"] for item in ds.facts["passed_over"]]
        for path in root.rglob("*"):
            if path.is_symlink() or not path.is_dir():
                parts = [part for part in (path, *path.parents) if root in part.parents]
                assert path in read or any(f"/{part}".endswith(f"/{item}") for part in parts for item in passed), path
        rows = sum(file["rows_in"] for file in ds.facts["files"])
        assert rows == sum(file["rows_kept"] + file["rows_rejected"] for file in ds.facts["files"])


# changed files ----------------------------------------------------------------------------------


def test_a_file_with_the_size_and_time_of_an_old_one_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(1, 2))
    state = path.stat()
    before = btviz.load(path)
    write(path, lines(4, 5))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_size == state.st_size
    after = btviz.load(path)
    assert after.fingerprint != before.fingerprint
    assert after.fingerprint == btviz.load(write(tmp_path / "b.jsonl", lines(4, 5))).fingerprint


@settings(max_examples=25)
@given(steps=st.lists(st.tuples(st.sampled_from(["write", "replace", "copy"]), st.binary(min_size=4, max_size=4))))
def test_a_remembered_hash_is_that_of_the_file(steps: list[tuple[str, bytes]]) -> None:
    """However a file is changed, with its size and times set back: what is remembered is what it holds."""
    with tempfile.TemporaryDirectory() as place:
        path, other = Path(place) / "a.jsonl", Path(place) / "b.jsonl"
        path.write_bytes(b"rows")
        state = path.stat()
        for how, data in steps:
            target = path if how == "write" else other
            target.write_bytes(data)
            os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns))
            if how == "replace":
                other.replace(path)
            elif how == "copy":
                shutil.copy2(other, path)
            assert remembered_sha256(path) == documents.sha256(path)


def test_another_file_put_in_its_place_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "RESTLESS", -1)
    path, other = write(tmp_path / "a.jsonl", lines(1)), write(tmp_path / "b.jsonl", lines(4))
    state = path.stat()
    first = remembered_sha256(path)
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(path)
    assert remembered_sha256(path) != first


def test_what_datasets_worked_out_beside_saved_rows_is_no_part_of_them(tmp_path: Path) -> None:
    rows = pl.read_ndjson(write(tmp_path / "rows.jsonl", lines(1, 2, 3)))
    folder = tmp_path / "saved"
    folder.mkdir()
    rows.write_ipc_stream(folder / "data-00000-of-00001.arrow")
    rows.with_columns(prompt=pl.lit("x")).write_ipc_stream(folder / "cache-0f1e.arrow")
    (folder / "state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')
    with pytest.warns(UserWarning, match="cache-0f1e"):
        assert btviz.load(folder).annotations.height == 3


def test_a_file_that_rests_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.jsonl", lines(1))
    first = remembered_sha256(path)
    monkeypatch.setattr(documents, "RESTLESS", -1)
    assert remembered_sha256(path) == first  # it was young when it was hashed, so it is hashed again
    monkeypatch.setattr(documents, "sha256", None)
    assert remembered_sha256(path) == first


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from btviz.data import ingest

    path = write(tmp_path / "a.jsonl", lines(1, 2))
    read = ingest.parse

    def parse(file: Path, **options: Any) -> Any:
        write(path, lines(4, 5))  # after it was hashed for its name
        return read(file, **options)

    monkeypatch.setattr(ingest, "parse", parse)
    with pytest.raises(DataError, match="changed while it was read"):
        btviz.load(path)
    monkeypatch.setattr(ingest, "parse", read)
    assert btviz.load(path).pairs["prompt"].str.contains("[45]").all()


def test_a_file_of_which_nothing_is_known_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.jsonl", lines(1, 2))
    expected = documents.sha256(path)
    monkeypatch.setattr(documents, "RESTLESS", -1)
    monkeypatch.setattr(documents, "sha256", None)
    assert btviz.load(path).facts["files"][0]["sha256"] == remembered_sha256(path) == expected


def test_a_file_that_changes_while_it_is_read_and_hashed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from btviz.data import ingest

    path = write(tmp_path / "a.jsonl", lines(1, 2))
    read, n = ingest.parse, itertools.count(10)

    def parse(file: Path, **options: Any) -> Any:
        parsed = read(file, **options)
        write(path, lines(next(n)))
        return replace(parsed, sha256="0" * 64)  # of a mixture

    monkeypatch.setattr(documents, "RESTLESS", -1)
    monkeypatch.setattr(ingest, "parse", parse)
    with pytest.raises(DataError, match="changed while it was read"):
        btviz.load(path)


# copies -----------------------------------------------------------------------------------------


def test_a_file_under_two_splits_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "toy" / "train.jsonl", lines(*range(6)))
    write(tmp_path / "toy" / "test.jsonl.gz", lines(*reversed(range(6))))
    with pytest.warns(UserWarning, match=r"train\.jsonl \(its rows are those of test\.jsonl\.gz\)"):
        ds = btviz.load(tmp_path / "toy")
    assert ds.annotations.height == 6
    assert btviz.annotator_agreement(ds, n_boot=5)["agreement"].null_count() == 15


def test_a_copy_in_another_format_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "toy" / "a.jsonl", lines(*range(6)))
    pl.read_ndjson(path).write_parquet(tmp_path / "toy" / "b.parquet")
    with pytest.warns(UserWarning, match=r"b\.parquet"):
        ds = btviz.load(tmp_path / "toy")
    assert (ds.annotations.height, [file["label"] for file in ds.facts["files"]]) == (6, ["a.jsonl"])
    assert [item["kind"] for item in ds.facts["passed_over"]] == ["copy of another file"]


def test_two_sizes_of_one_release_count_once(tmp_path: Path) -> None:
    for split, numbers in (("train", range(8)), ("test", range(8, 12))):
        write(tmp_path / "clone" / "30k" / f"{split}.jsonl.gz", lines(*numbers))
    write(tmp_path / "clone" / "330k" / "train.jsonl", lines(*range(2, 12)) * 3)
    write(tmp_path / "clone" / "330k" / "test.jsonl", lines(0, 1, 20, 21) * 3)
    with pytest.warns(UserWarning, match="its rows are among those of 330k/test.jsonl and 330k/train.jsonl"):
        ds = btviz.load(tmp_path / "clone")
    assert ds.annotations.height == 42
    assert {item["kind"] for item in ds.facts["passed_over"]} == {"part of another file"}


def test_a_size_that_is_no_exact_part_is_kept_and_told(tmp_path: Path) -> None:
    write(tmp_path / "clone" / "30k" / "train.jsonl", lines(*range(20), 99))
    write(tmp_path / "clone" / "330k" / "train.jsonl", lines(*range(50)))
    with pytest.warns(UserWarning, match="20 of 21 rows of 30k/train.jsonl stand in 330k/train.jsonl, too"):
        ds = btviz.load(tmp_path / "clone")
    assert ds.annotations.height == 71


def test_the_published_hashes_tell_a_smaller_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from btviz.data import ingest

    small = write(tmp_path / "clone" / "30k" / "train.jsonl", lines(1, 2))
    large = write(tmp_path / "clone" / "330k" / "train.jsonl", lines(3, 4, 5))
    hashes = {
        documents.sha256(small): ("beavertails-30k", "train"),
        documents.sha256(large): ("beavertails-330k", "train"),
    }
    monkeypatch.setattr(ingest, "published_files", lambda: hashes)
    with pytest.warns(UserWarning, match="beavertails-330k holds its rows"):
        ds = btviz.load(tmp_path / "clone")
    assert (ds.release, ds.annotations.height) == ("beavertails-330k", 3)
    with pytest.warns(UserWarning, match="it is one of beavertails-330k"):
        assert add("beavertails-30k", [tmp_path / "clone"]).annotations.height == 2
    with pytest.raises(DataError, match="other releases"):
        add("beavertails-30k", [large], replace=True)


def test_a_file_added_again_counts_as_it_is_now(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(1, 2))
    add("mine", [path])
    assert add("mine", [path]).facts["passed_over"] == []
    write(path, lines(4))
    assert add("mine", [path]).annotations.height == 1


@pytest.mark.slow
@given(
    small=st.lists(st.integers(0, 40), min_size=1, max_size=30),
    more=st.lists(st.integers(0, 40), max_size=30),
    other=st.lists(st.integers(0, 40), min_size=1, max_size=30),
)
def test_only_whole_files_are_left_out_and_only_those_that_others_hold(
    small: list[int], more: list[int], other: list[int]
) -> None:
    """Rows are letters of a multiset; what is left out is inside what stays, and nothing else is."""
    from collections import Counter

    rows = {"s/a.jsonl": small, "l/b.jsonl": small + more, "o/c.jsonl": other}
    files = [
        FileRows(Source(f"/{label}", label, None, label), "annotations", pl.DataFrame({"prompt": numbers}))
        for label, numbers in rows.items()
    ]
    copies = copies_of(files)
    kept = [Counter(numbers) for label, numbers in rows.items() if label not in copies.passed]
    for label, item in copies.passed.items():
        assert any(Counter(rows[label]) <= other for other in kept), label
        assert len(set(rows[label])) >= 5 or item.kind == "copy of another file"
    if not more:
        assert {"s/a.jsonl", "l/b.jsonl"} & set(copies.passed)
    assert kept


# what is loaded, and what repeats are worth ----------------------------------------------------


def test_the_name_says_which_part_of_a_release_is_loaded(shared_data: Path) -> None:
    ds = add("beavertails-30k", [shared_data / "beavertails" / "30k_test.jsonl"])
    assert ds.population == "beavertails-30k, test split, 3,021 of 30,207"
    assert ds.population in repr(ds)
    assert btviz.load("sample").population == "sample (synthetic sample)"


@pytest.mark.parametrize(
    ("release", "rows", "population"),
    [
        ("beavertails-30k", {"train": 27_186, "test": 3_021}, "mine"),
        ("beavertails-30k", {"train": 27_186}, "mine, train split, 27,186 of 30,207"),
        ("beavertails-30k", {"train": 27_000, "test": 3_021}, "mine, 30,021 of 30,207"),
        ("pku-saferlhf-10k", {"train": 9_000}, "mine"),
        ("pku-saferlhf-qa", {"train": 100}, "mine, train split, 1 of 6 files"),
        (None, {"train": 5}, "mine, train split"),
        (None, {"train": 5, "test": 5}, "mine"),
        (None, {None: 5, "test": 5}, "mine"),
    ],
)
def test_the_name_of_a_whole_is_the_name_alone(
    tiny: Any, release: str | None, rows: dict[str | None, int], population: str
) -> None:
    from dataclasses import replace

    files = [{"split": split, "rows_kept": n} for split, n in rows.items()]
    assert replace(tiny, name="mine", release=release, facts={"files": files}).population == population


def test_a_column_of_splits_counts_as_theirs(tmp_path: Path) -> None:
    rows = [row | {"split": split} for split, row in zip(("train", "test", "test"), lines(1, 2, 3), strict=True)]
    ds = btviz.load(write(tmp_path / "a.jsonl", rows))
    assert ds.facts["files"][0]["splits"] == ["test", "train"]
    assert ds.population == "a"
    assert btviz.load(write(tmp_path / "b.jsonl", rows[1:])).population == "b, test split"


def test_a_file_whose_name_says_the_split_is_not_told_it_twice(tmp_path: Path) -> None:
    assert btviz.load(write(tmp_path / "30k_test.jsonl", lines(1))).population == "30k_test"


def test_repeats_of_unknown_origin_carry_their_doubt_to_tables_and_captions(tmp_path: Path) -> None:
    from btviz import plots, sentences

    ds = btviz.load(write(tmp_path / "a.jsonl", lines(*range(12), *range(12))))
    table, rules, falls = btviz.annotator_agreement(ds, n_boot=5), btviz.safe_share_by_rule(ds), btviz.vote_splits(ds)
    assert table["agreement"].min() == 1  # what copies would give, too
    (doubt,) = table["doubt"].unique()
    assert "do not say whose a row is" in doubt
    assert "in 12 of 12 such pairs" in doubt
    assert set(rules["doubt"]) == set(falls["doubt"]) == {doubt}
    for chart in (plots.agreement(table, coefficient="agreement"), plots.vote_splits(falls)):
        assert "may be several annotators" in " ".join(chart.title.subtitle)
    assert "This is doubtful" in sentences.agreement(table, ds)


def test_commands_say_the_doubt_beside_the_numbers(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.jsonl", lines(*range(12), *range(12))))
    lines_of_stats = CliRunner().invoke(app, ["stats", "agreement", path]).stdout.splitlines()
    assert lines_of_stats[1].startswith("Doubtful: these data do not say whose a row is")
    assert "\nDoubtful: " in CliRunner().invoke(app, ["data", "show", path]).stdout


def test_a_release_that_says_who_annotated_carries_no_doubt(tmp_path: Path, samples: dict[str, Any]) -> None:
    path = write(tmp_path / "train.jsonl", lines(*range(12), *range(12)))
    assert btviz.annotator_agreement(add("beavertails-330k", [path]), n_boot=5)["doubt"].null_count() == 15
    assert btviz.annotator_agreement(samples["sample"], n_boot=5)["doubt"].null_count() == 15
    alone = btviz.annotator_agreement(add("beavertails-30k", [path]), n_boot=5)
    assert alone["agreement"].null_count() == 15
    assert alone["undefined"].str.contains("one annotation per pair").all()


def test_the_inventory_says_what_is_here(tmp_path: Path) -> None:
    from btviz.data import inventory

    add("beavertails-30k", [write(tmp_path / "test.jsonl", lines(1, 2))])
    gone = write(tmp_path / "train.jsonl", lines(3))
    add("mine", [gone, tmp_path / "test.jsonl"])
    gone.unlink()
    release, mine = inventory()
    assert (release.rows, release.extent, release.splits) == (2, "test split, 2 of 30,207", ("test",))
    assert (mine.rows, mine.extent, mine.splits) == (3, "", ("test", "train"))
    assert (mine.present, mine.missing) == ((str(tmp_path / "test.jsonl"),), (str(gone),))


# names and paths --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a/b", "./a", ".", "..", "~", "a.jsonl", "a.csv.gz", "A.PARQUET", "x.zip"])
def test_what_has_a_separator_or_a_suffix_is_a_path(text: str) -> None:
    assert means_path(text)


@pytest.mark.parametrize("text", ["amo", "beavertails-30k", "v1.2", "my_data", "a-b.c"])
def test_what_has_neither_is_a_name(text: str) -> None:
    assert not means_path(text)


def test_a_name_wins_over_a_folder_and_both_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "amo" / "a.jsonl", lines(1, 2, 3))
    assert catalog.find("unknown") is None
    with pytest.warns(UserWarning, match="new name, not for the folder here"):
        assert catalog.find("amo") is None
    with pytest.warns(UserWarning, match="No data set is called 'amo': the folder of that name is read"):
        assert btviz.load("amo").annotations.height == 3
    add("amo", [write(tmp_path / "b.jsonl", lines(1))])
    with pytest.warns(UserWarning, match="taken for the data set of that name, not for the folder here"):
        assert btviz.load("amo").annotations.height == 1
    assert btviz.load("./amo").annotations.height == 3
    assert btviz.load(Path("amo")).annotations.height == 3


@pytest.mark.filterwarnings("default")
def test_scores_go_to_a_new_name_though_a_folder_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "amo" / "a.jsonl", lines(1, 2, 3))
    scored = [{"prompt": f"how {n}", "response": f"so {n}", "reward": n / 2} for n in range(4)]
    Path("scores.jsonl").write_bytes(text_of(scored))
    done = CliRunner().invoke(app, ["score", "amo", "--from", "scores.jsonl"])
    assert done.exit_code == 0, done.output
    assert "new name, not for the folder here" in done.stderr
    assert "amo is a new data set: 4 answers" in done.stderr
    assert CliRunner().invoke(app, ["score", "amo.jsonl", "--from", "scores.jsonl"]).exit_code == 3
    again = CliRunner().invoke(app, ["stats", "scores", "amo", "--json"])
    assert json.loads(again.stdout)["name"] == "amo"
    assert "not for the folder here" in again.stderr


def test_a_name_that_would_be_taken_for_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="taken for a file"):
        add("mine.jsonl", [write(tmp_path / "a.jsonl", lines(1))])


# keys that look like labels ---------------------------------------------------------------------


def test_keys_that_look_like_labels_and_are_not_kept_stand_in_the_first_line(tmp_path: Path) -> None:

    path = write(
        tmp_path / "a.jsonl", [row | {"is_spicy": 1, "tea_score": 2.5, "colour": "red"} for row in lines(1, 2)]
    )
    with pytest.warns(UserWarning, match="'is_spicy', 'tea_score'") as told:
        ds = btviz.load(path)
    assert len(told) == 1
    assert ds.labels_not_kept == ("is_spicy", "tea_score")


@pytest.mark.filterwarnings("default")
def test_commands_name_such_keys_in_their_first_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [row | {"is_spicy": 1, "colour": "red"} for row in lines(1, 2)])
    for command in (["show", str(path)], ["add", "mine", str(path)]):
        done = CliRunner().invoke(app, ["data", *command])
        assert "'is_spicy'" in done.stdout.splitlines()[0]
        assert "colour" not in done.stdout.splitlines()[0]
        assert "Warning: " in done.stderr
