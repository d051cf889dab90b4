"""What a claim comes to when it is held against numbers."""

from __future__ import annotations

from dataclasses import dataclass

CONTRADICTS, CONSISTENT, UNDECIDED = "contradicts", "consistent", "undecided"


@dataclass(frozen=True)
class Finding:
    """One claim held against numbers.

    Attributes
    ----------
    id : str
        Name of the finding.
    claim : str
        What is printed, and where.
    arithmetic : str
        Numbers against it, with the steps that lead to them.
    finding : {"contradicts", "consistent", "undecided"}
        What they say of the claim.
    rests_on : str
        "printed numbers", or the data set whose rows were counted.
    """

    id: str
    claim: str
    arithmetic: str
    finding: str
    rests_on: str = "printed numbers"
