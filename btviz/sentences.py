"""The public name of `btviz.reports.sentences`."""

import sys

from btviz.reports import sentences

sys.modules[__name__] = sentences
