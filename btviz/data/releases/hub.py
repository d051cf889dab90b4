"""Talk to the hub: which commit, what a file should be, and its bytes.

Import this module late: the hub's client takes 0.3 s and reads ``HF_ENDPOINT`` and
``HF_HUB_OFFLINE`` while it is imported. Its own download is not used, because it starts again
after an interruption and checks the size only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from huggingface_hub import HfApi, constants, errors, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import hf_raise_for_status, http_stream_backoff  # type: ignore[attr-defined]

from btviz.data.releases.registry import Release, ReleasedFile
from btviz.errors import FetchError
from btviz.store import Arrival

HTTPError: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]  # of its HTTP library

BRANCH = "main"

_DATA_FILE = re.compile(r"\.(jsonl|json|csv|parquet)(\.(gz|xz|zst))?$")

_PAUSE = 1.0  # seconds between two tries after a broken transfer

_TRIES = 5  # in a row without a single new byte

_CHUNK = 1 << 18

_RETRIED = (408, 429, 500, 502, 503, 504)

_HEADERS = {"user-agent": "btviz", "accept-encoding": "identity"}

constants.HF_HUB_DISABLE_TELEMETRY = True  # else it names installed packages and asks for a list of tools


@dataclass(frozen=True, slots=True)
class Remote:
    """What the hub announces about one file at one commit."""

    url: str
    size: int | None
    etag: str


@contextmanager
def explained(asked: str, *, page: str) -> Iterator[None]:
    """Turn what can go wrong with the hub into a `FetchError` in three beats."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise FetchError(
            f"Asked for {asked}. HF_HUB_OFFLINE is set, so nothing may be downloaded. "
            "Unset it, or adopt a local copy with: btviz data add"
        ) from error
    except HfHubHTTPError as error:
        raise FetchError(f"Asked for {asked}. {_answer(error, page=page)}") from error
    except FileMetadataError as error:
        raise FetchError(
            f"Asked for {asked}. {constants.ENDPOINT} does not answer like a hub. Check HF_ENDPOINT and the proxy."
        ) from error
    except HTTPError as error:
        raise FetchError(
            f"Asked for {asked}. {constants.ENDPOINT} could not be reached ({error}). Check the network and "
            "the proxy, then run the same command again: what has arrived is kept. "
            "Or adopt a local copy with: btviz data add"
        ) from error


def _answer(error: HfHubHTTPError, *, page: str) -> str:
    status = error.response.status_code
    if status == 429:
        return (
            "The hub still answers 429 (too many requests) after several tries. "
            "Wait some minutes, then run the same command again: what has arrived is kept."
        )
    if status in {401, 403}:
        return (
            f"The hub refuses access ({status}); no token is sent. Look at {page}, "
            "download the files there, and adopt them with: btviz data add"
        )
    if status == 404:
        return (
            f"The hub has no such file or revision (404). Look at {page}; "
            "if the files have moved, download them there and adopt them with: btviz data add"
        )
    return f"The hub answers {status}. Run the same command again later: what has arrived is kept."


def page(release: Release) -> str:
    """Address of the release's page on the hub in use."""
    return f"{constants.ENDPOINT}/datasets/{release.repo_id}"


def resolve(release: Release) -> tuple[str, tuple[ReleasedFile, ...]]:
    """Commit that the branch stands at, and the files of the release at that commit."""
    revision = release.revision if release.is_pinned else BRANCH
    with explained(f"the files of {release.name}", page=page(release)):
        info = HfApi().dataset_info(release.repo_id, revision=revision, token=False)
    if not info.sha:
        raise FetchError(
            f"Asked which commit {release.repo_id} stands at. {constants.ENDPOINT} does not say. "
            "Check HF_ENDPOINT, or adopt a local copy with: btviz data add"
        )
    listed = [sibling.rfilename for sibling in info.siblings or ()]
    files = release.files or tuple(ReleasedFile(path, _split(path)) for path in listed if _is_data(path))
    if not files:
        raise FetchError(
            f"Asked for the files of {release.name}. {page(release)} lists no data file. "
            "Download what is there and adopt it with: btviz data add"
        )
    return info.sha, files


def _is_data(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(_DATA_FILE.search(path)) and not path.startswith("/") and ".." not in parts


def _split(path: str) -> str:
    return "test" if "test" in PurePosixPath(path).name else "train"


def describe(release: Release, file: ReleasedFile, *, commit: str) -> Remote:
    """Ask what the hub holds under that path at that commit.

    A refused connection fails at once; 429 and failing servers are asked again for a while.
    """
    url = hf_hub_url(release.repo_id, file.path, repo_type="dataset", revision=commit)
    with explained(f"{file.path} of {release.name}", page=page(release)):
        try:
            metadata = get_hf_file_metadata(url, token=False, headers=_HEADERS)
        except HfHubHTTPError as error:
            if error.response.status_code not in _RETRIED:
                raise
            metadata = get_hf_file_metadata(url, token=False, headers=_HEADERS, retry_on_errors=True)
    return Remote(url, metadata.size, metadata.etag or "")


def receive(remote: Remote, arrival: Arrival, *, arrived: Callable[[int], None]) -> None:
    """Fetch what is missing, trying again where the transfer breaks."""
    idle = 0
    while idle < _TRIES:
        before = len(arrival)
        try:
            _extend(remote, arrival, arrived=arrived)
            if remote.size is None or len(arrival) >= remote.size:
                return
        except HfHubHTTPError:
            raise
        except HTTPError:
            if idle + 1 == _TRIES:
                raise
        idle = 0 if len(arrival) > before else idle + 1
        time.sleep(_PAUSE)


def _extend(remote: Remote, arrival: Arrival, *, arrived: Callable[[int], None]) -> None:
    done = len(arrival) if remote.size is not None else 0
    if done == remote.size:
        return
    headers = dict(_HEADERS, range=f"bytes={done}-") if done else _HEADERS
    with http_stream_backoff(
        "GET",
        remote.url,
        headers=headers,
        timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        retry_on_exceptions=(),
        retry_on_status_codes=_RETRIED,
    ) as response:
        hf_raise_for_status(response)
        start = done if response.status_code == 206 else 0
        arrival.extend(response.iter_bytes(_CHUNK), start=start, arrived=arrived)
