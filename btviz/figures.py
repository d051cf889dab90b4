"""The public name of `btviz.reports.figures`."""

import sys

from btviz.reports import figures

sys.modules[__name__] = figures
