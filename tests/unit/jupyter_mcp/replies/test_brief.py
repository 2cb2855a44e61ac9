"""Outputs in brief: small, readable, without bytes, and each says how to get the rest."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jupyter_mcp.replies.brief import CELL, LISTED, Budget, brief, in_brief
from jupyter_mcp.replies.pictures import LONGEST_EDGE, MOST_BYTES

BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}")


def drawn(width: int, height: int, kind: str = "PNG", mode: str = "RGB") -> str:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


def noise(width: int, height: int, kind: str = "PNG", mode: str = "RGB") -> str:
    file = io.BytesIO()
    gray = Image.effect_noise((width, height), 200)
    Image.merge(mode, [gray] * len(mode)).save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


def display(**data: Any) -> dict[str, Any]:
    bundle = {key.replace("__", "/").replace("_JSON", "+json"): value for key, value in data.items()}
    return {"output_type": "display_data", "data": bundle, "metadata": {}}


def stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def opened(block: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(block.data)))


def test_a_short_output_stays_as_it_is() -> None:
    outputs = [stream("hello\n"), {"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}}]
    assert brief(outputs, "a").outputs == outputs


def test_a_plot_is_a_picture_beside_and_a_marker_inside() -> None:
    shown = brief([display(text__plain="<Figure size 640x480 with 1 Axes>", image__png=drawn(640, 480))], "a1")
    (output,) = shown.outputs
    assert output["data"]["text/plain"] == "<Figure size 640x480 with 1 Axes>"
    marker = output["data"]["image/png"]
    assert "640x480" in marker
    assert 'get_output(cell_id="a1", output=0)' in marker
    assert not BASE64.search(json.dumps(shown.outputs))
    assert opened(shown.pictures[0]).size == (640, 480)


@pytest.mark.parametrize(
    ("width", "height", "kind", "mode"),
    [(8000, 8000, "PNG", "L"), (4000, 10, "PNG", "RGBA"), (3000, 2000, "JPEG", "CMYK"), (2000, 2000, "WEBP", "RGB")],
)
def test_a_large_picture_is_scaled_to_what_a_model_looks_at(width: int, height: int, kind: str, mode: str) -> None:
    mime = f"image/{kind.lower()}"
    shown = brief([{"output_type": "display_data", "data": {mime: drawn(width, height, kind, mode)}}], "a")
    picture = opened(shown.pictures[0])
    assert max(picture.size) <= LONGEST_EDGE
    assert picture.format is not None
    assert shown.pictures[0].mime_type == f"image/{picture.format.lower()}"
    assert f"{width}x{height}" in shown.outputs[0]["data"][mime]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_of_noise_is_made_small_enough_too(mode: str) -> None:
    shown = brief([display(image__png=noise(1500, 1500, mode=mode))], "a")
    assert len(base64.b64decode(shown.pictures[0].data)) <= MOST_BYTES


def test_sixteen_bits_a_pixel_are_not_all_white() -> None:
    file = io.BytesIO()
    Image.new("I;16", (2000, 10), 0x4000).save(file, "PNG")
    shown = brief([display(image__png=base64.b64encode(file.getvalue()).decode())], "a")
    assert opened(shown.pictures[0]).getpixel((0, 0)) == 0x40


@pytest.mark.parametrize(
    "data",
    ["", "!!!", "AAAA", drawn(10, 10)[:40], base64.b64encode(b"<svg/>").decode(), "iVBORw0KGgo=", "a" * 7, "\ud800"],
)
def test_what_is_no_picture_is_a_marker_and_no_error(data: str) -> None:
    shown = brief([display(image__png=data, text__plain="x")], "a")
    assert shown.pictures == []
    assert shown.outputs[0]["data"]["text/plain"] == "x"


def test_a_decompression_bomb_is_a_marker() -> None:
    shown = brief([display(image__png=drawn(20_000, 20_000, mode="1"))], "a")
    assert shown.pictures == []
    assert "too many" in shown.outputs[0]["data"]["image/png"]


@pytest.mark.parametrize("size", [(1, 40_000_000), (40_000_000, 1)], ids=["high", "wide"])
def test_a_line_of_millions_of_pixels_is_a_marker(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    page = display(image__png=drawn(*size, mode="1"))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda _: pytest.fail("it was decoded"))
    shown = brief([page], "a")
    assert shown.pictures == []
    assert "too many" in shown.outputs[0]["data"]["image/png"]


def test_a_photograph_of_a_phone_is_shown_and_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # Orientation: a quarter to the right
    file = io.BytesIO()
    photo, small = Image.new("RGB", (2000, 1000)), Image.new("RGB", (20, 10))
    photo.save(file, "MPO", save_all=True, append_images=[small], exif=turned)
    shown = brief([display(image__jpeg=base64.b64encode(file.getvalue()).decode())], "a")
    (block,) = shown.pictures
    assert opened(block).size == (LONGEST_EDGE // 2, LONGEST_EDGE)


def test_base64_without_padding_is_read_as_browsers_do() -> None:
    padded = next(data for size in range(1, 100) if (data := drawn(size, size)).endswith("="))
    assert len(brief([display(image__png=padded.rstrip("="))], "a").pictures) == 1


def test_svg_and_pdf_are_markers() -> None:
    outputs = [display(**{"image/svg+xml": "<svg>" + "x" * 99_000}), display(**{"application/pdf": "JVBE" * 1000})]
    shown = brief(outputs, "a")
    assert shown.pictures == []
    assert "99 kB" in shown.outputs[0]["data"]["image/svg+xml"]
    assert "3 kB" in shown.outputs[1]["data"]["application/pdf"]


def test_a_plotly_figure_of_three_megabytes_is_a_line() -> None:
    figure = {"data": [{"type": "bar", "y": [0.123456] * 300_000}], "layout": {"title": {"text": "Sales"}}}
    page = f"<div><script>{'x' * 3_000_000}</script></div>"
    output = display(**{"application/vnd.plotly.v1+json": figure, "text/html": page})
    shown = asyncio.run(in_brief([output], "a"))
    assert len(json.dumps(shown.outputs)) < 400
    marker = shown.outputs[0]["data"]["application/vnd.plotly.v1+json"]
    assert "1 trace (bar) 'Sales'" in marker
    assert "MB" in marker
    assert "get_output(" in marker


def test_a_widget_says_that_it_is_one() -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "IntSlider(value=3)"}
    data = brief([display(**view)], "a").outputs[0]["data"]
    assert data["text/plain"] == "IntSlider(value=3)"
    assert "a widget" in data["application/vnd.jupyter.widget-view+json"]


def test_a_data_frame_is_its_plain_text_and_says_that_there_is_html() -> None:
    shown = brief([display(text__plain="   a\n0  1", text__html="<table><tr><td>1</td></tr></table>")], "a")
    assert shown.outputs[0]["data"] == {"text/plain": "   a\n0  1"}
    assert shown.outputs[0]["other_forms"] == ["text/html"]


def test_a_table_that_has_no_text_is_read_from_its_html() -> None:
    page = (
        "<style>td {color: red}</style><table><thead><tr><th></th><th>name</th></tr></thead>"
        '<tr title="a>b"><td>0</td><td>x &lt; y</td></tr></table><script>alert(1)</script>'
    )
    shown = brief([display(text__plain="<pandas.io.formats.style.Styler at 0x7f>", text__html=page)], "a")
    assert shown.outputs[0]["data"] == {"text/html": "| name\n0 | x < y"}


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "a | b\n1 | 2"),
        ("<table><tr><td><p>1</p></td><td><div>2<br>3</div></td></tr></table>", "1 | 2 3"),
        ("<table><tr><td>1</td><td></td><td>3</td></tr><tr><td></td><td></td></tr></table>end", "1 |  | 3\n|\nend"),
        (
            "<table><caption>T</caption><tr><td>1\0</td><td>\0002</td></tr></table><p>after</p><p>that</p>",
            "T\n1 | 2\nafter\nthat",
        ),
    ],
    ids=["no ends", "blocks in cells", "empty cells", "zeros"],
)
def test_the_cells_of_any_table_are_apart(page: str, text: str) -> None:
    shown = brief([display(text__html=page)], "a").outputs[0]["data"]["text/html"]
    assert [line.split() for line in shown.split("\n")] == [line.split() for line in text.split("\n")]


def test_latex_json_and_markdown_are_read() -> None:
    forms: list[dict[str, Any]] = [{"text/latex": "$x$"}, {"application/json": {"a": 1}}, {"text/markdown": "**b**"}]
    found = [brief([display(**form, text__plain="<IPython object>")], "a").outputs[0]["data"] for form in forms]
    assert found == [{"text/latex": "$x$"}, {"application/json": '{"a": 1}'}, {"text/markdown": "**b**"}]


def test_pictures_embedded_in_markdown_lose_their_bytes() -> None:
    shown = brief([display(text__markdown=f"see ![p](data:image/png;base64,{'A' * 4000})")], "a")
    assert shown.outputs[0]["data"]["text/markdown"] == "see ![p](data:image/png;base64,[3 kB])"


@pytest.mark.parametrize("long", ["x" * 200_000, "".join(f"line {number}\n" for number in range(30_000))])
def test_a_long_text_keeps_head_and_tail_and_names_the_call_for_the_rest(long: str) -> None:
    (output,) = brief([stream(long)], "a1").outputs
    text = output["text"]
    assert len(text) < CELL.each + 200
    found = re.search(
        r'\[(\d+) of (\d+) characters left out: get_output\(cell_id="a1", output=0, start=(\d+)\)\]', text
    )
    assert found is not None
    left_out, total, start = map(int, found.groups())
    head, tail = text.split(found.group())
    assert total == len(long)
    assert long.startswith(head.rstrip("\n"))
    assert long.endswith(tail.removeprefix("\n"))
    assert left_out == len(long) - start - len(tail.removeprefix("\n"))
    assert start - len(head) in (-1, 0)


def test_colours_and_overwritten_progress_bars_are_gone() -> None:
    text = "\x1b[1;31mred\x1b[0m\r\n 10%|#   \r 20%|##  \r100%|####\n\x1b]0;title\x07\x1b[2Kend\x08"
    assert brief([stream(text)], "a").outputs[0]["text"] == "red\n100%|####\nend"


def test_a_traceback_is_led_by_what_was_raised_and_has_a_line_a_frame() -> None:
    bar = "\x1b[31m" + "-" * 75 + "\x1b[39m"
    file, color = "\x1b[36mCell\x1b[39m\x1b[36m In[3]\x1b[39m\x1b[32m, line", "\x1b[39m"
    lines = [
        bar,
        "\x1b[31mZeroDivisionError\x1b[39m                         Traceback (most recent call last)",
        f"{file} 4{color}\n      1 def f(n):\n      2     return 1 / n\n----> 4 f(0)\n",
        f"{file} 2{color}, in \x1b[36mf{color}\n      1 def f(n):\n----> 2     return 1 / n\n",
        "\x1b[31mZeroDivisionError\x1b[39m: division by zero",
    ]
    error = {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": lines}
    assert brief([error], "a").outputs[0]["traceback"] == [
        "ZeroDivisionError: division by zero",
        "Cell In[3], line 4: f(0)",
        "Cell In[3], line 2, in f: return 1 / n",
    ]


def test_a_deep_traceback_keeps_its_ends() -> None:
    lines = [f'  File "m.py", line {number}, in f\n    f({number})' for number in range(900)]
    error = {"output_type": "error", "ename": "RecursionError", "evalue": "too deep", "traceback": lines}
    found = brief([error], "a").outputs[0]["traceback"]
    assert found[0] == "RecursionError: too deep"
    assert found[1] == 'File "m.py", line 0, in f: f(0)'
    assert "894 frames left out" in found[3]
    assert found[-1] == 'File "m.py", line 899, in f: f(899)'


def test_a_traceback_of_another_language_is_kept_short() -> None:
    error = {"output_type": "error", "ename": "ERROR", "evalue": "no such column", "traceback": ["at x\n" * 9000]}
    found = brief([error], "a").outputs[0]["traceback"]
    assert found[0] == "ERROR: no such column"
    assert "characters left out" in found[1]


def test_many_outputs_are_within_one_budget() -> None:
    shown = brief([stream("x" * 5000 + f"{number}") for number in range(2000)], "a", Budget(count=10))
    assert "[1990 of 2000 outputs left out" in shown.text()
    assert len(json.dumps(shown.outputs)) < 8000
    assert shown.outputs[-1]["text"].endswith("1999")


def test_where_many_cells_are_listed_no_picture_is_sent() -> None:
    shown = brief([display(image__png=drawn(10, 10))], "a", LISTED)
    assert shown.pictures == []
    assert "get_output(" in shown.text()


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "error", "ename": "E" * 500_000, "evalue": "v", "traceback": []},
        {"output_type": "stream", "name": "s" * 500_000, "text": "x"},
        {"output_type": "stream", "name": "stdout", "text": "x", "made_up": "x" * 500_000},
        {"output_type": "display_data", "data": {"x/" + "y" * 500_000: "z"}, "metadata": {}},
        {"output_type": "display_data", "data": {f"x/{number}": "z" for number in range(20_000)}, "metadata": {}},
        {"output_type": "display_data", "data": {f"text/{number}": "z" for number in range(20_000)}, "metadata": {}},
        {"output_type": "display_data", "data": {}, "metadata": {}, "made_up": ["x" * 500_000]},
    ],
    ids=["ename", "name", "a stream's key", "a type", "types", "texts", "a key"],
)
def test_no_name_or_number_of_things_makes_an_output_long(output: dict[str, Any]) -> None:
    shown = brief([output], "a")
    assert len(json.dumps(shown.outputs)) < 12_000
    assert len(shown.text()) < 12_000


@pytest.mark.parametrize("entity", [f"&#{'9' * 200_000};", f"&#x{'f' * 200_000};", f"&{'a' * 200_000};", "&#" * 99_999])
def test_a_character_that_there_is_not_is_no_fault(entity: str) -> None:
    (shown,) = brief([display(text__html=f"<p>before {entity} after</p>")], "a").outputs
    assert shown["data"]["text/html"].startswith("before ")
    assert shown["data"]["text/html"].endswith(" after")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MIMES = st.sampled_from(
    ["text/plain", "text/html", "image/png", "image/svg+xml", "application/json", "text/markdown", "text/latex",
     "application/vnd.plotly.v1+json", "application/vnd.vega.v5+json", "application/pdf", "x/y"]
)  # fmt: skip
ODD = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["display_data", "execute_result", "stream", "error"])},
    optional={
        "data": st.dictionaries(MIMES, VALUES, max_size=4) | VALUES,
        "metadata": VALUES,
        "text": VALUES,
        "name": VALUES,
        "ename": VALUES,
        "evalue": VALUES,
        "traceback": VALUES,
    },
)


@given(st.lists(ODD, max_size=4))
def test_no_odd_output_fails(outputs: list[dict[str, Any]]) -> None:
    shown = brief(outputs, "a")
    assert len(shown.outputs) == len(outputs)
    json.dumps(shown.outputs)
    shown.text()
