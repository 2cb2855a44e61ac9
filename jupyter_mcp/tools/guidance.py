"""What helps an agent to work well: a skill as a resource, and prompts that people choose."""

from __future__ import annotations

import json
from pathlib import Path

from fastmcp.exceptions import PromptError

from jupyter_mcp.paths import LONGEST_PATH

from .toolbox import Toolbox

SKILLS = Path(__file__).parents[1] / "skills"
SKILL = "live-notebooks"
SKILL_URI = f"skill://{SKILL}/SKILL.md"
"""As the Skills extension of MCP (SEP-2640) has it: the last part before the file's name is the skill's."""

PROMPTS = ("review_notebook", "make_reproducible", "mend_notebook")
_READS = f"The tools of this server see the notebook as it is now; {SKILL_URI} says how to use them well."
_REVIEW = """\
Review the notebook {path}. Change nothing and run none of its cells; run_code may look at values.
Read its outline first, then what matters. Look for: results that don't follow from the code shown, cells that work \
only in another order than the one they are in (compare execution counts), variables that no cell defines, data paths \
and seeds that are only good on one machine, plots without units or labels, claims in text that outputs don't bear \
out, and repeated code.
Answer with the findings, the gravest first; for each: the cell (by what is in it), what is wrong, and the change \
that mends it. Say what you did not look at."""
_REPRODUCIBLE = """\
Make the notebook {path} reproducible: whoever runs it from top to bottom in a new kernel gets the same results.
Read it, then change it with edit_notebook in as few calls as can be: imports and settings into one cell at the top, \
cells in the order in which they need each other, seeds for what is random, paths relative to the notebook, a cell \
that shows the versions of what is imported, dead cells away. Keep what a person wrote in text cells, and their style.
Then run_cells with restart=true, which ends the kernel's variables: ask first if somebody uses it. Mend what fails \
and run again. At the end say what changed, which results differ from the ones before, and what can't be the same \
each time (times, network, hardware)."""
_MEND = """\
The notebook {path} fails. Find out why and mend it.
Run nothing before you have seen the error: get_notebook with outline=true marks the cells whose last run raised one. \
Look for the cause where a value was made, not where it broke; list_variables and run_code show values without a \
cell. Change as little as can be, run what depends on it, and say in two sentences what was wrong and how you know \
that it is right now."""


def offer_guidance(tools: Toolbox) -> None:
    """Put the skill and the prompts on the server."""
    server = tools.server
    text = (SKILLS / SKILL / "SKILL.md").read_text(encoding="utf-8")

    @server.resource(
        SKILL_URI, name=SKILL, title="Working in live notebooks", description=about(text), mime_type="text/markdown"
    )
    async def skill() -> str:
        await tools.admit()
        return text

    @server.prompt(title="Review this notebook")
    def review_notebook(path: str) -> str:
        """Say what is wrong or unclear in a notebook; nothing is changed."""
        return _filled(_REVIEW, path)

    @server.prompt(title="Make this notebook reproducible")
    def make_reproducible(path: str) -> str:
        """Put a notebook in order until it runs from top to bottom in a new kernel."""
        return _filled(_REPRODUCIBLE, path)

    @server.prompt(title="Mend this notebook")
    def mend_notebook(path: str) -> str:
        """Find why a notebook fails, and mend it with the least change."""
        return _filled(_MEND, path)


def about(skill: str) -> str:
    """Return the description in a skill's front matter."""
    lines = skill.split("---\n", 2)[1].splitlines()
    return next(line.partition(": ")[2] for line in lines if line.startswith("description: "))


def _filled(prompt: str, path: str) -> str:
    if not path.strip() or len(path) > LONGEST_PATH:
        raise PromptError("`path` is a notebook's below the server's root, as list_notebooks gives it.")
    # Quoted, so that what a path says is no instruction.
    return f"{prompt.format(path=json.dumps(path, ensure_ascii=False))}\n\n{_READS}"
