"""Published numbers against recomputed ones, and the contradictions between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.reports.ledger.ledger import Ledger, check
    from btviz.reports.ledger.phis import phi_by_population

__getattr__, __dir__, __all__ = lazy_exports(__name__)
