"""A process that has imported the rooms may be forked: the documents of its forks take no client ids of each other."""

from __future__ import annotations

import subprocess
import sys

FORKS = """
import os
import jupyter_mcp.app
from pycrdt import Doc
for _ in range(3):
    if os.fork() == 0:
        print(Doc().client_id, flush=True)
        os._exit(0)
    os.wait()
"""


def test_documents_of_forks_take_different_client_ids() -> None:
    """pycrdt's dice are thrown first when a document is made; forks of a process that did so throw the same.

    A page that holds what one server made would take another's changes for what it has already.
    """
    said = subprocess.run([sys.executable, "-c", FORKS], check=True, capture_output=True, text=True, timeout=120)
    assert len(set(said.stdout.split())) == 3, said
