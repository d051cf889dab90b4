"""The map while it is made: stages on the picture, the finished points, and a run that is stopped."""

import asyncio
from threading import Event

import numpy as np
import pytest
from fake_front import inside
from made_embeddings import clustered, embeddings_of

from btviz import fit_data_map
from btviz.errors import UsageError
from btviz.machine import progress
from btviz.texts.datamap import fit
from btviz.widgets import LiveMap
from btviz.widgets.topics import livemap


@pytest.fixture
def emb():
    return embeddings_of(clustered(120))


def test_a_live_map_ends_with_the_points_of_the_map(emb, monkeypatch):
    monkeypatch.setattr(fit, "COARSE", 30)
    monkeypatch.setattr(fit, "EVERY_SECONDS", 0)
    monkeypatch.setattr(fit, "SHARE_OF_SHOWING", np.inf)
    sizes = []
    monkeypatch.setattr(livemap.MapPicture, "draw", lambda self, points: sizes.append(points.height))
    live = LiveMap(emb)
    assert sizes[0] == 30  # the coarse map comes first
    assert sizes[-1] == 120
    assert live.points.equals(fit_data_map(emb))
    assert live.line.state["words"] == "Map of 120 texts, for 120 pairs."
    assert live.button.disabled


def test_the_picture_holds_each_place_once_across_its_whole_width(emb):
    live = LiveMap(emb)
    places = np.frombuffer(live.picture.places, np.uint16).reshape(-1, 2).astype(float)
    assert len(places) == 120
    assert (places.min(), places.max()) == (0, 65535)
    xy = live.points.select("x", "y").to_numpy()
    for axis in (0, 1):
        assert np.corrcoef(places[:, axis], xy[:, axis])[0, 1] > 0.999


def test_nothing_that_is_sent_is_a_text_or_an_id(emb):
    sent = {name for part in inside(LiveMap(emb)) for name in part.keys if not name.startswith("_")}
    assert {"places", "state"} <= sent
    assert not {"points", "embeddings", "texts"} & sent


def test_a_map_that_was_stopped_says_so_and_gives_no_points(emb, monkeypatch):
    begun, stopped = Event(), Event()

    def fitted(_, *, on_stage, **__):
        begun.set()
        stopped.wait()
        on_stage(fit.MapStage(emb.pairs, 0.5, "half"))

    async def in_a_kernel():
        live = LiveMap(emb)
        await asyncio.to_thread(begun.wait)
        live.stop()
        stopped.set()
        with pytest.raises(UsageError, match="stopped"):
            _ = live.points
        return live

    monkeypatch.setattr(livemap, "fit_data_map", fitted)
    live = asyncio.run(in_a_kernel())
    assert live.line.state["words"].startswith("Stopped.")
    assert live.picture.places == b""


def test_wrong_options_are_refused_before_anything_is_shown(emb):
    with pytest.raises(UsageError, match="at least 2"):
        LiveMap(emb, n_neighbors=1)


def test_bars_are_left_to_a_view(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert progress.is_watched()
    with progress.shown_elsewhere():
        assert not progress.is_watched()
    assert progress.is_watched()
