"""One member is changed, and the rest of the text is what it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mcp.cli import jsonc

COMMENTED = """\
// mine
{
    /* servers */
    "servers": {
        "other": { "url": "http://x//y" }, // the other one
        "last": { "command": "a, b" } // not } this
    },
    "list": [1, 2,], // and a comma
}
"""


def test_a_member_is_put_at_the_end_and_every_remark_stays() -> None:
    new = jsonc.put(COMMENTED, ("servers", "jupyter"), {"url": "u"})
    for line in COMMENTED.splitlines():
        assert line in new or line == '        "last": { "command": "a, b" } // not } this'
    assert '"last": { "command": "a, b" }, // not } this\n        "jupyter": {\n            "url": "u"\n' in new
    value = jsonc.parse(new).value
    assert value["servers"] == {
        "other": {"url": "http://x//y"},
        "last": {"command": "a, b"},
        "jupyter": {"url": "u"},
    }
    assert value["list"] == [1, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", '{\n  "a": {\n    "b": 1\n  }\n}'),
        ("{\n}\n", '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("{ // none\n}\n", '{ // none\n  "a": {\n    "b": 1\n  }\n}\n'),
        ('{"x": 1}', '{"x": 1, "a": {"b": 1}}'),
        ('{"a": {}}', '{"a": {\n  "b": 1\n}}'),
        ('{"a": {"b": 2}}\n', '{"a": {"b": 1}}\n'),
        ('{\n\t"x": 1\n}', '{\n\t"x": 1,\n\t"a": {\n\t\t"b": 1\n\t}\n}'),
        ('{\r\n  "x": 1\r\n}', '{\r\n  "x": 1,\r\n  "a": {\r\n    "b": 1\r\n  }\r\n}'),
        ('{\n  "x": 1, // one\n}', '{\n  "x": 1, // one\n  "a": {\n    "b": 1\n  },\n}'),
        ("\ufeff{}", '\ufeff{\n  "a": {\n    "b": 1\n  }\n}'),
    ],
)
def test_what_is_put_looks_like_what_is_there(text: str, expected: str) -> None:
    assert jsonc.put(text, ("a", "b"), 1) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "b": 2, "c": 3}', '{"a": 1, "c": 3}'),
        ('{\n  "a": 1,\n  "b": 2\n}\n', '{\n  "a": 1\n}\n'),
        ('{\n  "a": 1, // one\n  "b": 2\n}\n', '{\n  "a": 1 // one\n}\n'),
        ('{\n  "b": 2,\n  "a": 1,\n}\n', '{\n  "a": 1,\n}\n'),
        ('{"b": {"x": [1, 2]}}', "{}"),
    ],
)
def test_a_member_is_taken_with_its_comma(text: str, expected: str) -> None:
    new = jsonc.take(text, ("b",))
    assert jsonc.parse(new).value == jsonc.parse(expected).value
    assert new.replace(" ", "") == expected.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "value"),
        ("{", "key"),
        ('{"a" 1}', "colon"),
        ('{"a": 1 "b": 2}', "comma"),
        ('{"a": 1}\n{', "line 2: more than one"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "value"),
        ('{"a": "\n"}', "end"),
        ("[1 2]", "comma"),
        ("/* {}", "value"),
        ("[" * 100_000, "deep"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        jsonc.parse(text)


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
    st.text(max_size=5),
    VALUES,
    st.sampled_from([None, 0, 2, "\t"]),
)
def test_any_object_has_the_member_afterwards_and_nothing_else_is_other(
    whole: dict[str, Any], key: str, value: Any, indent: Any
) -> None:
    text = json.dumps(whole, indent=indent)
    new = jsonc.put(text, (key,), value)
    assert json.loads(new) == {**whole, key: value}
    assert json.loads(jsonc.take(new, (key,))) == {name: one for name, one in whole.items() if name != key}
