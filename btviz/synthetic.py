"""The name under which notebooks of 0.1 import `btviz.data.synthetic`."""

import sys

from btviz.data import synthetic
from btviz.data.synthetic import conversations

sys.modules[__name__] = synthetic
sys.modules[f"{__name__}.conversations"] = conversations
