import hashlib
import re

import pytest

from btviz.data.releases import RELEASES, release
from btviz.errors import UsageError
from btviz.taxonomy.categories import TAXONOMIES

HEX = re.compile(r"[0-9a-f]+")


def test_every_release_is_listed():
    assert list(RELEASES) == [
        "beavertails-30k",
        "beavertails-330k",
        "beavertails-evaluation",
        "beavertails-single-dimension-preference",
        "pku-saferlhf",
        "pku-saferlhf-30k",
        "pku-saferlhf-10k",
        "pku-saferlhf-qa",
        "pku-saferlhf-single-dimension",
        "pku-saferlhf-prompt",
    ]


@pytest.mark.parametrize("entry", RELEASES.values(), ids=lambda entry: entry.name)
def test_entry_is_well_formed(entry):
    assert RELEASES[entry.name] is entry
    assert entry.repo_id.startswith("PKU-Alignment/")
    assert entry.taxonomy in TAXONOMIES
    assert entry.licence == "CC BY-NC 4.0"
    assert entry.note.endswith(".")
    assert entry.home.startswith("https://")
    if entry.revision is not None:
        assert HEX.fullmatch(entry.revision)
        assert len(entry.revision) in {7, 40}
    for file in entry.files:
        assert file.split in {"train", "test"}
        assert file.split in file.name
        for digest in (file.sha256, file.content_sha256):
            assert digest is None or (len(digest) == 64 and HEX.fullmatch(digest))


@pytest.mark.parametrize("entry", RELEASES.values(), ids=lambda entry: entry.name)
def test_what_is_unknown_says_why(entry):
    missing = set()
    if not entry.is_pinned:
        missing.add("revision")
    if not entry.files:
        missing.add("files")
    for attribute in ("sha256", "bytes", "rows"):
        if any(getattr(file, attribute) is None for file in entry.files):
            missing.add(f"files.{attribute}")
    assert missing <= set(entry.unknown)
    assert set(entry.unknown) - missing <= {"one_annotation_per_pair"}
    assert all(entry.unknown.values())


def test_rows_partition_the_printed_totals():
    def rows(name):
        return sum(file.rows for file in RELEASES[name].files)

    assert rows("beavertails-30k") == 30_207
    assert rows("beavertails-330k") == 333_963
    assert rows("pku-saferlhf-30k") == 29_863
    assert rows("beavertails-evaluation") == 14 * 50


def test_no_two_files_share_a_hash():
    hashes = [file.sha256 for entry in RELEASES.values() for file in entry.files if file.sha256]
    assert len(hashes) == len(set(hashes))


def test_size_is_known_only_where_every_file_has_one():
    assert RELEASES["beavertails-330k"].bytes == 31_061_396 + 2_436_728
    assert RELEASES["beavertails-30k"].bytes is None
    assert RELEASES["pku-saferlhf-prompt"].bytes is None


def test_unknown_name_is_met_with_the_nearest():
    assert release("pku-saferlhf").splits == ("train", "test")
    with pytest.raises(UsageError, match="'beavertails-30k'"):
        release("beavertail-30k")


def test_content_hash_is_that_of_the_real_file(shared_data):
    content = (shared_data / "beavertails" / "30k_test.jsonl").read_bytes()
    test = RELEASES["beavertails-30k"].files[1]
    assert hashlib.sha256(content).hexdigest() == test.content_sha256
    assert content.count(b"\n") == test.rows
