"""Released data sets: what there is, and how to get it from the hub."""

from btviz.sources.download import fetch
from btviz.sources.progress import Step
from btviz.sources.registry import RELEASES, Release, ReleasedFile, release

__all__ = ["RELEASES", "Release", "ReleasedFile", "Step", "fetch", "release"]
