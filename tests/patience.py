"""How long a test waits for what must come.

A machine that does other things, too, is slow: a test waits for a state and never counts on a time. Only
what hangs lasts longer than this.
"""

SECONDS = 900.0
"""For a process that was started, or for a thread."""

PAGE_MILLISECONDS = 300_000
"""For the next state of a page; shorter, since a page that broke keeps many tests waiting."""
