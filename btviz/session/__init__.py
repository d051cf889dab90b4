"""What a reader has chosen, may read and has noted, without any view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.session.clauses import Clause, Condition, Tables, clause, clause_from_json
    from btviz.session.content import (
        ContentPolicy,
        guarded_words,
        labellings,
        notice,
        redacted,
        session_policy,
        topic_words,
    )
    from btviz.session.corrections import Corrections, CorrectionsRead
    from btviz.session.exports import Export, export, export_table, table_bytes
    from btviz.session.ids import from_hex, hex_id, possible_ids
    from btviz.session.notes import Notes
    from btviz.session.saved import SavedSelections
    from btviz.session.selection import Observable, Selection

__getattr__, __dir__, __all__ = lazy_exports(__name__)
