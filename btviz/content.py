"""The name under which notebooks of 0.1 import `btviz.session.content`."""

import sys

from btviz.session import content

sys.modules[__name__] = content
