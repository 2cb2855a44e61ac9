"""Imported into a process, it waits a tenth as long before it tries again: what it does is the same."""

from __future__ import annotations

import threading

from env.retry import Patience

_usual = Patience(threading.Event())
Patience.__init__.__defaults__ = (_usual.attempts, _usual.first_wait_s / 10)
