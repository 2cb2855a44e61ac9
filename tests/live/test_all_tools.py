"""Two agents and a person use all tools on one notebook, in any order: nothing is lost, doubled or in the wrong cell.

A state machine drives a real server with real kernels; `tests.support.notebook_model` knows what each cell must hold.
After each step the live notebook, the person's copy and the model are the same. JUPYTER_MCP_STEPS sets how many steps.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.notebook_model import HELD

from .conftest import MakeServer
from .everybody import Everybody

STEPS = int(os.environ.get("JUPYTER_MCP_STEPS", "0"))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("examples", "steps"), [(2, 45), pytest.param(6, 300, marks=pytest.mark.slow)], ids=["few steps", "many steps"]
)
def test_with_all_tools_nothing_is_lost_doubled_or_in_the_wrong_cell(
    make_server: MakeServer, examples: int, steps: int
) -> None:
    Everybody.server = make_server(options=("--JupyterMCP.interrupt_grace=5",))
    (Everybody.server.folder / "held.py").write_text(HELD)
    Everybody.used = set()
    checked = settings(
        max_examples=examples,
        stateful_step_count=STEPS or steps,
        deadline=None,
        database=None,
        print_blob=True,
        # Shrinking would take hours; the steps of the failure are printed as they are.
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Everybody, settings=checked)
    assert Everybody.used == Everybody.offered
