"""Probes: score models that are fitted here, on embeddings, and need no large weights."""

from btviz.scoring.probes.fitting import fit_probe
from btviz.scoring.probes.generalising import leave_one_category_out, transfer_metrics
from btviz.scoring.probes.groups import prompt_groups
from btviz.scoring.probes.probe import Probe
from btviz.scoring.probes.saving import is_probe, load_probe, save_probe

__all__ = [
    "Probe",
    "fit_probe",
    "is_probe",
    "leave_one_category_out",
    "load_probe",
    "prompt_groups",
    "save_probe",
    "transfer_metrics",
]
