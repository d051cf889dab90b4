"""The only room that writes files.

An entry is a folder of Parquet, npy and safetensors files that is a function of its `Key`.
It is written under a temporary name, flushed, renamed, and verified when opened, so that
a killed process or a full disk leaves either the whole entry or none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.store.disk import (
        Arrival,
        StoreWarning,
        locked,
        sha256,
        write_file,
    )
    from btviz.store.documents import Shape, read_document, remembered_sha256, update_document
    from btviz.store.entry import Draft, Entry
    from btviz.store.folder import Store, open_saved, recover_saved, save_entry
    from btviz.store.keys import JSON, Key, check_name, fingerprint
    from btviz.store.outputs import discard, keep_stream, table_bytes_as, write_output, write_outputs
    from btviz.store.paths import data_dir, expanded, figures_dir, notebooks_dir, released_notebooks
    from btviz.store.rows import RowFile
    from btviz.store.shards import Shards

__getattr__, __dir__, __all__ = lazy_exports(__name__)
