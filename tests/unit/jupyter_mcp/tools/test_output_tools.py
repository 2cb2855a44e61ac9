"""get_output: one output whole, a picture as a picture and a text by ranges."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fastmcp.exceptions import ToolError
from mcp.types import ImageContent
from PIL import Image

from jupyter_mcp.errors import BadCellError
from jupyter_mcp.tools.output_tools import RANGE, whole_output
from tests.support.served import ERAS, Served, run

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams


def png() -> str:
    held = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(held, "PNG")
    return base64.b64encode(held.getvalue()).decode()


def text(output: dict[str, Any], **options: Any) -> list[str]:
    return [block.text for block in whole_output(output, **options) if block.type == "text"]


def data(**forms: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {key.replace("_", "/"): one for key, one in forms.items()}}


def test_a_text_comes_by_ranges_that_say_where_to_go_on() -> None:
    output = {"output_type": "stream", "name": "stdout", "text": ["x" * RANGE, "y" * 10]}
    assert text(output) == ["x" * RANGE, f"[characters 0 to {RANGE} of {RANGE + 10}; 10 left: start={RANGE}]"]
    assert text(output, start=RANGE) == [
        "y" * 10,
        f"[characters {RANGE} to {RANGE + 10} of {RANGE + 10}; this is the end]",
    ]
    assert text(output, start=RANGE + 99) == [f"[there are {RANGE + 10} characters]"]
    assert text({"output_type": "stream", "text": "short"}) == ["short"]
    assert text({"output_type": "stream", "text": ""}) == [""]


def test_an_error_is_led_by_what_was_raised_and_has_no_colours() -> None:
    output = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mline\x1b[0m", "end"]}
    assert text(output) == ["E: v\nline\nend"]


def test_a_picture_is_a_picture_and_its_other_forms_are_asked_for_by_type() -> None:
    output = data(image_png=png(), text_plain="<Figure>")
    (block,) = whole_output(output)
    assert isinstance(block, ImageContent)
    assert block.mime_type == "image/png"
    assert text(output, mime_type="text/plain") == ["<Figure>"]
    with pytest.raises(BadCellError, match="has no text/html; it has image/png, text/plain"):
        whole_output(output, mime_type="text/html")
    with pytest.raises(BadCellError, match="it has nothing"):
        whole_output({"output_type": "display_data"}, mime_type="text/html")


def test_a_broken_picture_and_bytes_that_no_model_reads_are_said_to_be_so() -> None:
    (said,) = text(data(image_png="AAAA"))
    assert said.startswith("[image/png, ")
    (said,) = text(data(application_pdf="AAAA"))
    assert "bytes that no model reads" in said


def test_the_best_text_is_given_and_else_what_is_there() -> None:
    assert text(data(text_plain="plain", text_markdown="**m**")) == ["**m**"]
    (said,) = text({"output_type": "display_data", "data": {"application/x-own+json": {"a": 1}}})
    assert json.loads(said) == {"a": 1}
    assert text({"output_type": "display_data", "data": {}}) == [""]
    assert text({"output_type": "display_data", "data": "odd"}) == [""]


@pytest.mark.parametrize("era", ERAS)
def test_an_output_is_got_by_its_number_and_a_wrong_one_is_told_what_there_is(tmp_path: Path, era: str) -> None:
    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two")
        async with at.agent(era=era) as client:
            await client.call_tool("run_cells", {"path": "n.ipynb", "stop": 1})
            for number in (0, -1):
                got = await client.call_tool("get_output", {"path": "n.ipynb", "cell_id": "id-0", "output": number})
                assert [block.text for block in got.content] == ["one"]
                assert got.structured_content is None
            for cell, number, has in (("id-0", 1, "1, 0 to 0"), ("id-0", -2, "1, 0 to 0"), ("id-1", 0, "none")):
                asked = {"path": "n.ipynb", "cell_id": cell, "output": number}
                with pytest.raises(ToolError, match=rf"No output {number}: cell \d has {has}"):
                    await client.call_tool("get_output", asked)

    run(tmp_path, job)
