"""What a kernel's variables are told as: by their names, types, shapes and short values, and without harm."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from jupyter_mcp.kernels.variables import MOST, Question


class Frame:
    """What a data frame looks like from outside."""

    shape = (3, 12)
    columns = tuple(f"c{number}" for number in range(12))

    def __repr__(self) -> str:
        raise AssertionError("looked at")


class Tensor:
    """An array; its length is not asked for."""

    shape = (2, 3)
    dtype = "float32"

    def __len__(self) -> int:
        raise AssertionError("counted")


class Odd:
    """An object that fails whatever it is asked."""

    @property
    def shape(self) -> Any:
        raise RuntimeError("no")

    def __len__(self) -> int:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


def variables(**namespace: Any) -> dict[str, dict[str, Any]]:
    found = asked(namespace)
    assert found is not None
    return {one.pop("name"): one for one in found["variables"]}


def asked(namespace: dict[str, Any]) -> dict[str, Any] | None:
    question, printed = Question(), io.StringIO()
    names = set(namespace)
    with contextlib.redirect_stdout(printed):
        exec(question.source, namespace)  # noqa: S102 - as the kernel does
    assert set(namespace) - names <= {"__builtins__"}, "it left something behind"
    return question.answer([{"output_type": "stream", "name": "stdout", "text": f"before\n{printed.getvalue()}after"}])


def test_plain_values_are_shown_short_and_with_their_length() -> None:
    found = variables(number=3, text="x" * 1000, items=list(range(1000)), none=None, table={"a": 1})
    assert found["number"] == {"type": "int", "value": "3"}
    assert found["text"]["length"] == 1000
    assert len(found["text"]["value"]) <= 80
    assert found["items"] == {"type": "list", "length": 1000, "value": "[0, 1, 2, 3, ...]"}
    assert found["none"]["value"] == "None"
    assert variables(yes=True, half=0.5)["yes"] == {"type": "bool", "value": "True"}
    assert found["table"] == {"type": "dict", "length": 1, "value": "{'a': 1}"}


def test_frames_and_arrays_are_told_by_shape_and_columns_and_never_printed() -> None:
    found = variables(frame=Frame(), tensor=Tensor(), inside=[Frame()])
    kind = f"{__name__.partition('.')[0]}."
    assert found["frame"]["type"] == f"{kind}Frame"
    assert found["frame"]["shape"] == [3, 12]
    assert found["frame"]["value"].startswith("columns: c0, c1,")
    assert found["frame"]["value"].endswith("and 2 more")
    assert found["tensor"] == {"type": f"{kind}Tensor", "shape": [2, 3], "value": "dtype: float32"}
    assert found["inside"]["value"] == "[<Frame>]"


def test_what_fails_when_it_is_asked_is_told_by_its_type() -> None:
    found = variables(odd=Odd(), big=10**5000)
    assert set(found["odd"]) == {"type"}
    assert found["big"]["type"] == "int"


def test_modules_functions_classes_and_private_names_are_left_out() -> None:
    assert list(variables(io=io, call=variables, kind=Odd, _private=1, __dunder__=2, x=1)) == ["x"]


def test_names_that_the_user_took_from_python_do_no_harm() -> None:
    taken = dict.fromkeys(("print", "len", "str", "sorted", "globals"), 7)
    found = asked({"x": 1, **taken})
    assert found is not None
    assert found["count"] == 6


def test_many_variables_are_told_in_part_and_counted() -> None:
    found = asked({f"v{number:04}": number for number in range(MOST + 50)})
    assert found is not None
    assert (len(found["variables"]), found["count"]) == (MOST, MOST + 50)


def test_an_answer_that_never_came_is_none() -> None:
    assert Question().answer([]) is None
    assert Question().answer([{"output_type": "error"}]) is None
