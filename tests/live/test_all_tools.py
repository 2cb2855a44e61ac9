"""Two agents and a person use all tools on one notebook, in any order: nothing is lost, doubled or in the wrong cell.

A state machine drives a real server with real kernels; `tests.support.notebook_model` knows what each cell must hold.
After each step the live notebook, the person's copy and the model are the same. JUPYTER_MCP_STEPS sets how many steps.
"""

from __future__ import annotations

import os

import pytest

from tests.support.notebook_model import HELD
from tests.support.state_machines import run_machine

from .browser import CHROMIUM
from .conftest import MakeServer
from .everybody import Everybody, InABrowser

STEPS = int(os.environ.get("JUPYTER_MCP_STEPS", "0"))


MINUTES = float(os.environ.get("JUPYTER_MCP_MINUTES", "5"))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("examples", "steps"), [(2, 45), pytest.param(6, 300, marks=pytest.mark.long)], ids=["few steps", "many steps"]
)
def test_with_all_tools_nothing_is_lost_doubled_or_in_the_wrong_cell(
    make_server: MakeServer, examples: int, steps: int
) -> None:
    work_together(Everybody, make_server, examples, STEPS or steps)
    assert Everybody.used == Everybody.offered


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_two_agents_and_a_person_in_chromium_work_together_for_five_minutes(make_server: MakeServer) -> None:
    examples = 3
    InABrowser.seconds = 60 * MINUTES / examples
    # Who types has the cell to themselves for a while, which others are told: here all go on at once.
    options = ("--JupyterMCP.typing_grace=0", "--LabApp.expose_app_in_browser=True")
    work_together(InABrowser, make_server, examples, 2000, *options)


def work_together(machine: type[Everybody], make_server: MakeServer, examples: int, steps: int, *options: str) -> None:
    """Run the state machine on a server of its own."""
    machine.server = make_server(options=("--JupyterMCP.interrupt_grace=5", *options))
    (machine.server.folder / "held.py").write_text(HELD)
    machine.used = set()
    run_machine(machine, examples, steps)
