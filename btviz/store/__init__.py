"""The only package that writes files.

An entry is a folder of Parquet, npy and safetensors files that is a function of its `Key`.
It is written under a temporary name, flushed, renamed, and verified when opened, so that
a killed process or a full disk leaves either the whole entry or none of it.
"""

from btviz.store.disk import StoreWarning, write_file
from btviz.store.documents import read_document, update_document
from btviz.store.draft import Draft
from btviz.store.elsewhere import open_saved, save_entry
from btviz.store.entry import Entry
from btviz.store.folder import Store
from btviz.store.keys import Key, fingerprint
from btviz.store.shards import Shards

__all__ = [
    "Draft",
    "Entry",
    "Key",
    "Shards",
    "Store",
    "StoreWarning",
    "fingerprint",
    "open_saved",
    "read_document",
    "save_entry",
    "update_document",
    "write_file",
]
