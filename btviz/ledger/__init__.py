"""Published numbers against recomputed ones, and the contradictions between them."""

from __future__ import annotations

from btviz.ledger.phis import phi_by_population
from btviz.ledger.result import Ledger, check

__all__ = ["Ledger", "check", "phi_by_population"]
