import logging
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import patience
import polars as pl
import pytest
from counting_encoder import CountingEncoder
from hypothesis import given
from hypothesis import strategies as st
from small_data import dataset_from_rows, hashed_words, some_pairs, unlabelled

import btviz
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.store import Key, Store, disk, fingerprint
from btviz.texts.embedding import CallableEncoder, Embeddings, embed, text_id
from btviz.texts.embedding.batches import BUDGET, batches, columns_of, padded, rows_of, unit

# What comes out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["prompt", "response", "qa"])
def test_each_pair_has_the_vector_of_its_text(tiny, hash_encoder, text):
    found = embed(tiny, text=text, encoder=hash_encoder)
    joined = {"prompt": lambda p, r: p, "response": lambda p, r: r, "qa": lambda p, r: f"{p}\n{r}"}[text]
    texts = [joined(p, r) for p, r in tiny.pairs.select("prompt", "response").iter_rows()]
    assert found.text_ids.tolist() == sorted({text_id(t) for t in texts})
    assert found.pairs["pair_id"].equals(tiny.pairs["pair_id"])
    assert found.pairs["text_id"].to_list() == [text_id(t) for t in texts]
    expected = unit(hashed_words(texts))
    np.testing.assert_array_equal(found.of_pairs(tiny.pairs["pair_id"]), expected)
    np.testing.assert_array_equal(found.vectors[found.rows], expected)
    np.testing.assert_allclose((found.vectors**2).sum(axis=1), 1, rtol=1e-6)
    assert found.vectors.dtype == np.float32
    assert isinstance(found.vectors, np.memmap)
    assert not found.vectors.flags.writeable


def test_equal_texts_are_encoded_once(tiny):
    counting = CountingEncoder()
    found = embed(tiny, text="prompt", encoder=counting.encoder)
    assert sorted(counting.seen) == sorted(set(tiny.pairs["prompt"]))
    assert found.facts["rows"] == tiny.annotations.height
    assert found.summary == "13 rows, 3 texts, 3 new"


def test_a_text_id_is_the_same_for_ever():
    assert text_id("how do magnets work") == 2421600983724398747


def test_of_pairs_keeps_the_order_asked_for(tiny, hash_encoder):
    found = embed(tiny, text="qa", encoder=hash_encoder)
    ids = tiny.pairs["pair_id"].to_list()
    np.testing.assert_array_equal(found.of_pairs([ids[2], ids[0], ids[2]]), found.of_pairs(ids)[[2, 0, 2]])
    with pytest.raises(NotFoundError, match="1 of them"):
        found.of_pairs([ids[0], 3])


# Only what is new -------------------------------------------------------------------------------


def test_added_data_cost_only_what_is_new():
    first, second = CountingEncoder(), CountingEncoder()
    embed(some_pairs(40), encoder=first.encoder)
    found = embed(some_pairs(60), encoder=second.encoder)
    assert len(first.seen) == 20
    assert len(second.seen) == found.facts["new"] == 10
    assert not set(first.seen) & set(second.seen)


def test_asked_again_nothing_is_encoded():
    embed(some_pairs(40), encoder=CountingEncoder().encoder)
    again = CountingEncoder()
    found = embed(some_pairs(40), encoder=again.encoder)
    assert again.seen == []
    assert found.summary == "40 rows, 20 texts, 0 new"


@pytest.mark.parametrize("change", [{"name": "other"}, {"version": "2"}])
def test_another_name_or_version_is_another_encoder(change):
    options = {"name": "counting", "version": "1"}
    one = embed(some_pairs(10), encoder=CallableEncoder(CountingEncoder(), **options))
    counting = CountingEncoder()
    two = embed(some_pairs(10), encoder=CallableEncoder(counting, **(options | change)))
    assert len(counting.seen) == 5
    assert one.fingerprint != two.fingerprint


def test_prompts_and_responses_that_are_equal_share_a_vector():
    ds, counting = unlabelled(["a b", "c"], ["c", "a b"]), CountingEncoder()
    embed(ds, text="prompt", encoder=counting.encoder)
    assert embed(ds, text="response", encoder=counting.encoder).facts["new"] == 0


def test_stopped_half_way_it_goes_on_and_gives_the_same_bytes(tmp_path):
    whole = embed(some_pairs(400), encoder=CountingEncoder().encoder, store=Store(tmp_path / "a"))
    stopped = CountingEncoder(stop_after=90)
    with pytest.raises(KeyboardInterrupt):
        embed(some_pairs(400), encoder=stopped.encoder, store=Store(tmp_path / "b"))
    rest = CountingEncoder()
    resumed = embed(some_pairs(400), encoder=rest.encoder, store=Store(tmp_path / "b"))
    assert 0 < len(rest.seen) < 200
    assert len(stopped.seen) + len(rest.seen) == 200
    assert resumed.vectors.tobytes() == whole.vectors.tobytes()
    assert resumed.fingerprint == whole.fingerprint


def test_of_two_runs_with_one_encoder_the_second_waits_and_repeats_nothing(own_data_dir, monkeypatch):
    began, warned = threading.Event(), threading.Event()

    class Held(CountingEncoder):
        def __call__(self, texts):
            began.set()
            warned.wait(patience.SECONDS)
            return super().__call__(texts)

    monkeypatch.setattr(disk, "PATIENCE", 0.01)
    monkeypatch.setattr(logging.getLogger(disk.__name__), "warning", lambda *_: warned.set())
    first, second = Held(), CountingEncoder()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(embed, some_pairs(400), encoder=first.encoder)
        began.wait(patience.SECONDS)
        try:
            found = embed(some_pairs(600), encoder=second.encoder)
        finally:
            warned.set()
        assert running.result().facts["new"] == 200
    assert found.facts["new"] == len(second.seen) == 100
    assert not {*first.seen} & {*second.seen}


@pytest.mark.slow
def test_killed_half_way_nothing_is_lost(own_data_dir):
    program = """
        import os, signal, sys
        sys.path.insert(0, "tests")
        from counting_encoder import CountingEncoder
        from small_data import some_pairs
        from btviz.texts.embedding import embed
        class Dying(CountingEncoder):
            def __call__(self, texts):
                if len(self.seen) >= 90:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().__call__(texts)
        embed(some_pairs(400), encoder=Dying().encoder)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert done.returncode == -9
    rest = CountingEncoder()
    found = embed(some_pairs(400), encoder=rest.encoder)
    assert 0 < len(rest.seen) <= 110
    by_id = dict(zip(found.text_ids.tolist(), found.vectors, strict=True))
    for text in some_pairs(400).pairs["prompt"].unique():
        np.testing.assert_array_equal(by_id[text_id(text)], unit(hashed_words([text]))[0])


def test_a_damaged_part_is_computed_again(own_data_dir):
    found = embed(some_pairs(40), encoder=CountingEncoder().encoder)
    store = Store()
    pool = next((store.root / "vectors").glob("*.shards"))
    part = next(pool.glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-20])
    again = CountingEncoder()
    with pytest.warns(Warning, match="damaged"):
        more = embed(some_pairs(60), encoder=again.encoder)
    assert len(again.seen) == 30
    np.testing.assert_array_equal(more.vectors[np.isin(more.text_ids, found.text_ids)], found.vectors)


def test_float16_halves_the_disk_and_keeps_unit_length(hash_encoder):
    exact = embed(some_pairs(40), encoder=hash_encoder)
    half = embed(some_pairs(40), encoder=hash_encoder, storage="float16")
    assert half.facts["new"] == 20
    assert half.vectors.dtype == np.float32
    np.testing.assert_allclose((half.vectors**2).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(half.vectors, exact.vectors, atol=5e-4)
    assert (half.vectors != exact.vectors).any()
    settings = fingerprint(dict(hash_encoder.settings))
    stored = Store().get(
        Key("embeddings", (settings, fingerprint(half.text_ids.tobytes())), {"storage": "float16"}, version=1)
    )
    assert stored.array("vectors").dtype == np.float16


# Refusals ---------------------------------------------------------------------------------------


def test_what_is_no_data_and_no_encoder_is_refused(tiny, hash_encoder, tmp_path):
    with pytest.raises(UsageError, match=r"btviz\.load"):
        embed("sample", encoder=hash_encoder)
    with pytest.raises(UsageError, match="CallableEncoder"):
        embed(tiny, encoder=hashed_words)
    with pytest.raises(NotFoundError, match=r"config\.json"):
        embed(tiny, encoder=tmp_path)  # a path is a folder's name


@pytest.mark.parametrize(
    ("options", "message"),
    [({"text": "answer"}, "no text"), ({"storage": "int8"}, "no storage"), ({"engine": "dask"}, "no engine")],
)
def test_unknown_options_are_named(tiny, hash_encoder, options, message):
    with pytest.raises(UsageError, match=message):
        embed(tiny, encoder=hash_encoder, **options)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda t: np.zeros(len(t)),
        lambda t: np.full((len(t), 2), np.nan),
        lambda t: np.ones((len(t) + 1, 2)),
        lambda t: np.ones((len(t), 0)),
        lambda t: np.ones((len(t), 2)) * 1j,
        lambda t: [["word"]] * len(t),
        lambda t: [[1.0] * (place + 1) for place in range(len(t))],
    ],
)
def test_a_function_that_gives_no_vectors_is_refused(tiny, wrong):
    with pytest.raises(DataError, match="one finite vector a text"):
        embed(tiny, encoder=CallableEncoder(wrong, name="wrong", version="1"))


def test_a_function_without_a_version_is_refused():
    with pytest.raises(UsageError, match="name or version"):
        CallableEncoder(hashed_words, name="x", version="")


def test_no_pairs_no_vectors(tiny, hash_encoder):
    with pytest.raises(DataError, match="no pairs"):
        embed(dataset_from_rows(tiny_rows().head(0)), encoder=hash_encoder)


def tiny_rows():
    columns = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean}
    return pl.DataFrame(schema=columns | {"labels": pl.UInt32})


@pytest.mark.parametrize(
    ("ids", "message"), [([2, 1], "ascend"), ([1, 1], "ascend"), ([1], "ids"), ([1, 3], "no vector")]
)
def test_parts_that_do_not_fit_are_refused(ids, message):
    pairs = pl.DataFrame({"pair_id": [5], "text_id": [2]}, schema={"pair_id": pl.UInt64, "text_id": pl.UInt64})
    with pytest.raises(UsageError, match=message):
        Embeddings(
            text_ids=np.array(ids, np.uint64),
            vectors=np.eye(2, dtype=np.float32),
            pairs=pairs,
            text="qa",
            encoder="by hand",
            fingerprint="0",
        )


def test_it_is_offered_at_the_top():
    assert btviz.embed is embed


# Batches ----------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 300), max_size=200), st.integers(1, 40))
def test_batches_are_a_permutation_of_one_shape_each(lengths, step):
    found = batches(np.array(lengths, np.int64), step=step)
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        (columns,) = {columns_of(lengths[i], step=step) for i in batch}
        ids, _ = padded([[0] * lengths[i] for i in batch], filler=1, step=step)
        assert ids.shape == (rows_of(columns), columns)
    columns = [columns_of(lengths[batch[0]], step=step) for batch in found]
    assert columns == sorted(columns)


@given(st.integers(1, 3000))
def test_a_shape_stays_in_the_budget(length):
    columns = columns_of(length)
    assert 0 <= columns - length < 16
    assert rows_of(columns) * columns <= max(BUDGET, columns)


def test_padding_marks_what_counts():
    ids, mask = padded([[7, 8, 9], [5]], filler=1)
    assert ids.shape == mask.shape == (BUDGET // 16, 16)
    assert ids[0].tolist() == [7, 8, 9] + [1] * 13
    assert mask[0].tolist() == [1, 1, 1] + [0] * 13
    assert mask[1].sum() == 1
    assert (mask[2:].sum(axis=1) == 1).all()


def test_the_zero_vector_gets_a_direction():
    assert unit(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist() == [[1, 0], [np.float32(0.6), np.float32(0.8)]]
