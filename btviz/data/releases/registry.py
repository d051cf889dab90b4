"""What the authors released: files, pinned revisions, sizes, hashes and licence.

A value that could not be established is None and `Release.unknown` says why: a guessed hash
or revision would refuse the right file or accept another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from btviz.errors import choice

LICENCE = "CC BY-NC 4.0"

_COMMIT_LENGTH = 40


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """One file of a release, as the hub holds it.

    Attributes
    ----------
    path : str
        Path inside the hub repository.
    split : str
        "train" or "test".
    bytes : int or None
        Size as the hub holds it (compressed, where it is).
    sha256 : str or None
        Published hash of the file as the hub holds it.
    content_sha256 : str or None
        Hash of the text inside, where the hub holds it compressed and it was measured.
    rows : int or None
        Published number of rows of this file alone.
    """

    path: str
    split: str
    bytes: int | None = None
    sha256: str | None = None
    content_sha256: str | None = None
    rows: int | None = None

    @property
    def name(self) -> str:
        """Last part of the path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Release:
    """A data set as its authors released it.

    Attributes
    ----------
    name, title : str
        Name in this registry, and the name people know.
    repo_id : str
        Data-set repository on the hub.
    revision : str or None
        Commit that numbers here refer to: all 40 digits where known (`is_pinned`), else the
        abbreviation that was seen, else None.
    files : tuple of ReleasedFile
        Empty where the list of files is not published outside the hub.
    taxonomy, layout : str
        Name of the harm categories, and what a row is.
    one_annotation_per_pair : bool or None
        Whether a repeated pair is an oddity; None where rows are no annotations, or unknown.
    note : str
        What a user should know before reading numbers.
    home : str
        Page that describes the data.
    licence : str
        Licence of the data.
    unknown : Mapping
        Attribute that is None or empty, and the reason.
    part_of : str or None
        Name of a larger release that holds the same rows: both together would count them twice.
    """

    name: str
    title: str
    repo_id: str
    revision: str | None
    files: tuple[ReleasedFile, ...]
    taxonomy: str
    layout: Literal["annotations", "preferences", "single_preferences", "evaluation", "prompts"]
    one_annotation_per_pair: bool | None
    note: str
    home: str
    licence: str = LICENCE
    unknown: Mapping[str, str] = field(default_factory=dict)
    part_of: str | None = None

    @property
    def is_pinned(self) -> bool:
        """True where `revision` is a whole commit, which cannot move."""
        return self.revision is not None and len(self.revision) == _COMMIT_LENGTH

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits, in the order of the files."""
        return tuple(dict.fromkeys(file.split for file in self.files))

    @property
    def bytes(self) -> int | None:
        """Size of all files together; None unless every size is known."""
        sizes = [file.bytes for file in self.files]
        known = [size for size in sizes if size is not None]
        return sum(known) if known and len(known) == len(sizes) else None


def release(name: str) -> Release:
    """Release of that registry name.

    Parameters
    ----------
    name : str
        One of `RELEASES`.

    Returns
    -------
    Release
        What was released under that name.

    Raises
    ------
    UsageError
        If there is none; the message names the nearest.
    """
    return RELEASES[choice(name, RELEASES, what="released data set")]


_BEAVERTAILS_HOME = "https://sites.google.com/view/pku-beavertails"

_SAFERLHF_HOME = "https://sites.google.com/view/pku-saferlhf"

_NO_HASH = "seen on no public page; the hash that the hub announces is checked instead"

_NO_SIZE = "only rounded sizes are published"

_BEAVERTAILS = "8401fe609d288129cc684a9b3be6a93e41cfe678"  # 2023-10-17

_BEAVERTAILS_30K = Release(
    name="beavertails-30k",
    title="BeaverTails-30k",
    repo_id="PKU-Alignment/BeaverTails",
    revision=_BEAVERTAILS,
    files=(
        ReleasedFile(
            "round0/30k/train.jsonl.gz",
            "train",
            sha256="2e24b85dd599224eeb7379da297223bad50e11fea9fee6a7fdb4bd26aedec315",
            rows=27_186,
        ),
        ReleasedFile(
            "round0/30k/test.jsonl.gz",
            "test",
            bytes=545_222,
            sha256="0ce619bf4c421c12e578445b1fb8d1aedf4bf05ca3eb985f4ddf498a784769ff",
            content_sha256="9a3bae39856313a0746761157bbe9e2fac0d8a3d1cfed6eeff046c29668b4198",
            rows=3_021,
        ),
    ),
    taxonomy="beavertails",
    layout="annotations",
    one_annotation_per_pair=True,
    note="One annotation per pair, but for two pairs that the test split repeats. Agreement between "
    "annotators cannot be measured here. Train and test share almost all prompts.",
    home=_BEAVERTAILS_HOME,
    unknown={"files.bytes": "the train file is published as 4.95 MB only"},
    part_of="beavertails-330k",
)

_BEAVERTAILS_330K = Release(
    name="beavertails-330k",
    title="BeaverTails-330k",
    repo_id="PKU-Alignment/BeaverTails",
    revision=_BEAVERTAILS,
    files=(
        ReleasedFile(
            "round0/330k/train.jsonl.xz",
            "train",
            bytes=31_061_396,
            sha256="12f04c9200000929ebbc616c29cb53331f6df36e7341d73e4a12cffac0eb1c08",
            rows=300_567,
        ),
        ReleasedFile(
            "round0/330k/test.jsonl.xz",
            "test",
            bytes=2_436_728,
            sha256="1c726c662b85bf4761913041fe9e098f80e5206344864597dbde86bc9a1bfc96",
            rows=33_396,
        ),
    ),
    taxonomy="beavertails",
    layout="annotations",
    one_annotation_per_pair=False,
    note="A row is one annotator's labelling; almost every pair has three. Train and test share almost "
    "all prompts and no pair.",
    home=_BEAVERTAILS_HOME,
)

_BEAVERTAILS_EVALUATION = Release(
    name="beavertails-evaluation",
    title="BeaverTails-Evaluation",
    repo_id="PKU-Alignment/BeaverTails-Evaluation",
    revision="6779071ad5135d0c74a4ee8ffe7471bdcd485d81",  # 2023-07-20
    files=(ReleasedFile("v1/test.jsonl.gz", "test", rows=700),),
    taxonomy="beavertails",
    layout="evaluation",
    one_annotation_per_pair=None,
    note="700 prompts, 50 for each of 14 categories, one category named per prompt; no answers. It is no "
    "split of the other BeaverTails files. The next commit (a93205d) compresses the file with xz.",
    home=_BEAVERTAILS_HOME,
    unknown={"files.sha256": _NO_HASH, "files.bytes": "published as 27.2 kB only"},
)

_BEAVERTAILS_SINGLE = Release(
    name="beavertails-single-dimension-preference",
    title="BeaverTails-single-dimension-preference",
    repo_id="PKU-Alignment/BeaverTails-single-dimension-preference",
    revision=None,
    files=(),
    taxonomy="beavertails",
    layout="single_preferences",
    one_annotation_per_pair=None,
    note="One preference for helpfulness and harmlessness together, in `overall`; better_response_id is -1, 0 or 1, "
    "and -1 presumably a tie.",
    home=_BEAVERTAILS_HOME,
    unknown={
        "revision": "no commit is named on a public page; fetch takes the newest and records it",
        "files": "the list of files is on the hub only; fetch asks for it",
    },
)

_MODELS = ("Alpaca-7B", "Alpaca2-7B", "Alpaca3-8B")

_PKU_SAFERLHF = Release(
    name="pku-saferlhf",
    title="PKU-SafeRLHF",
    repo_id="PKU-Alignment/PKU-SafeRLHF",
    revision="9421ffafec3fa40a1f1a7d567b4d525079477ecb",  # 2024-10-18; data of 2024-09-10
    files=(
        ReleasedFile(
            "data/Alpaca-7B/train.jsonl",
            "train",
            bytes=77_487_588,
            sha256="e9aeebe2bbbed37d7a28561809f47c6c0622e48b170c80bc2eb72d908d2c4666",
        ),
        ReleasedFile(
            "data/Alpaca-7B/test.jsonl",
            "test",
            bytes=8_599_619,
            sha256="fcfd18c5cd24f304a07a773f7f11c38b89ae9f8dee76e0324d740a0f34a6dd34",
        ),
        ReleasedFile(
            "data/Alpaca2-7B/train.jsonl",
            "train",
            bytes=72_501_040,
            sha256="f7845941c570087a320121d222cbdc500189c59310c60aadaf23b14877c92e0a",
        ),
        ReleasedFile(
            "data/Alpaca2-7B/test.jsonl",
            "test",
            bytes=8_085_575,
            sha256="391849230d41e9d0760ed7f236c7eabd6fb9332c00b9a1b301202fa8fa9d651a",
        ),
        ReleasedFile(
            "data/Alpaca3-8B/train.jsonl",
            "train",
            sha256="21c3b4f2572444e42d161f09166471d14208c9e153fcc0ec900ae05013e47d4c",
            rows=20_950,
        ),
        ReleasedFile("data/Alpaca3-8B/test.jsonl", "test"),
    ),
    taxonomy="pku-saferlhf",
    layout="preferences",
    one_annotation_per_pair=None,
    note="Two preferences a row, better and safer. The order of the two answers is not exchangeable: of the "
    "rows with exactly one safe answer, the second is the safe one in 57.9 %.",
    home=_SAFERLHF_HOME,
    unknown={
        "files.sha256": f"Alpaca3-8B test: {_NO_HASH}",
        "files.bytes": "Alpaca3-8B: published as 59.4 MB and 6.63 MB only",
        "files.rows": "published for the three models together, not for each",
    },
)

_PKU_SAFERLHF_30K = Release(
    name="pku-saferlhf-30k",
    title="PKU-SafeRLHF-30K",
    repo_id="PKU-Alignment/PKU-SafeRLHF-30K",
    revision="334ad7d",
    files=(
        ReleasedFile("round0/train.jsonl.xz", "train", rows=26_873),
        ReleasedFile("round0/test.jsonl.xz", "test", rows=2_990),
    ),
    taxonomy="beavertails",
    layout="preferences",
    one_annotation_per_pair=None,
    note="The preference half of BeaverTails-30k, after the authors removed duplicate and conflicting rows. "
    "Safety of both answers, no categories.",
    home=_BEAVERTAILS_HOME,
    unknown={
        "revision": "only the abbreviation is published; fetch takes the newest commit and compares",
        "files.sha256": "published for the same files in their former repository only; the hash that the "
        "hub announces is checked instead",
        "files.bytes": "published for the same files in their former repository only",
    },
)

_PKU_SAFERLHF_10K = Release(
    name="pku-saferlhf-10k",
    title="PKU-SafeRLHF-10K",
    repo_id="PKU-Alignment/PKU-SafeRLHF-10K",
    revision="c8ee87634695ae44c5fa9bcdc5f1a5e7c5ae8e47",  # 2023-07-20
    files=(ReleasedFile("round0/train.jsonl.xz", "train"),),
    taxonomy="beavertails",
    layout="preferences",
    one_annotation_per_pair=None,
    note="The first preferences that were released; one split.",
    home=_SAFERLHF_HOME,
    unknown={
        "files.sha256": _NO_HASH,
        "files.bytes": "published for the commit before only, which had more rows",
        "files.rows": "no exact count is published",
    },
)

_PKU_SAFERLHF_QA = Release(
    name="pku-saferlhf-qa",
    title="PKU-SafeRLHF-QA",
    repo_id="PKU-Alignment/PKU-SafeRLHF-QA",
    revision="a4200bf784bad53d73fa0536ab4306e475644143",  # 2024-06-14
    files=tuple(ReleasedFile(f"data/{model}/{split}.jsonl", split) for model in _MODELS for split in ("train", "test")),
    taxonomy="pku-saferlhf",
    layout="annotations",
    one_annotation_per_pair=None,
    note="One question and answer a row, with safety, 19 categories and severity; about 265,000 rows.",
    home=_SAFERLHF_HOME,
    unknown={
        "files.sha256": _NO_HASH,
        "files.bytes": _NO_SIZE,
        "files.rows": "only a rounded total is published",
        "one_annotation_per_pair": "not stated by the authors",
    },
)

_PKU_SAFERLHF_SINGLE = Release(
    name="pku-saferlhf-single-dimension",
    title="PKU-SafeRLHF-single-dimension",
    repo_id="PKU-Alignment/PKU-SafeRLHF-single-dimension",
    revision="877416778ed53479d63315795558fe83495276d8",
    files=(
        ReleasedFile(
            "data/Alpaca-7B/train.jsonl",
            "train",
            sha256="643fe074861fa7a0883a590c51e3c5e356d7f00e988cee125c0328a6573d8e5e",
        ),
        ReleasedFile("data/Alpaca-7B/test.jsonl", "test"),
        ReleasedFile(
            "data/Alpaca2-7B/train.jsonl",
            "train",
            sha256="b8dce8f06a2d608d93f7b49e7ea83df55fab823e06825567476421d880a43f7e",
        ),
        ReleasedFile("data/Alpaca2-7B/test.jsonl", "test"),
        ReleasedFile(
            "data/Alpaca3-8B/train.jsonl",
            "train",
            sha256="2d39f5e0af751db8b7b61fbb6e5ea16a1cfb01ec3569ba9f654a9227f406ae7f",
        ),
        ReleasedFile("data/Alpaca3-8B/test.jsonl", "test"),
    ),
    taxonomy="pku-saferlhf",
    layout="single_preferences",
    one_annotation_per_pair=None,
    note="One preference for helpfulness and harmlessness together, in `overall`.",
    home=_SAFERLHF_HOME,
    unknown={
        "files.sha256": f"test files: {_NO_HASH}",
        "files.bytes": _NO_SIZE,
        "files.rows": "published for the three models together, not for each",
    },
)

_PKU_SAFERLHF_PROMPT = Release(
    name="pku-saferlhf-prompt",
    title="PKU-SafeRLHF-prompt",
    repo_id="PKU-Alignment/PKU-SafeRLHF-prompt",
    revision="6646519",
    files=(),
    taxonomy="pku-saferlhf",
    layout="prompts",
    one_annotation_per_pair=None,
    note="About 44,600 prompts, without answers.",
    home=_SAFERLHF_HOME,
    unknown={
        "revision": "only the abbreviation is published; fetch takes the newest commit and compares",
        "files": "the list of files is on the hub only; fetch asks for it",
    },
)

RELEASES: dict[str, Release] = {
    entry.name: entry
    for entry in (
        _BEAVERTAILS_30K,
        _BEAVERTAILS_330K,
        _BEAVERTAILS_EVALUATION,
        _BEAVERTAILS_SINGLE,
        _PKU_SAFERLHF,
        _PKU_SAFERLHF_30K,
        _PKU_SAFERLHF_10K,
        _PKU_SAFERLHF_QA,
        _PKU_SAFERLHF_SINGLE,
        _PKU_SAFERLHF_PROMPT,
    )
}
"""Every released data set, by registry name."""
