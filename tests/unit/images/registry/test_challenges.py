"""A registry's challenges are read as RFC 9110 writes them, several in one field too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.registry.challenges import challenges

BEARER = {"realm": "https://auth.example.org/token", "service": "reg", "scope": "repository:a/b:pull,push"}
ONE = 'Bearer realm="https://auth.example.org/token",service="reg",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([ONE], {"bearer": BEARER}),
        ([f'Basic realm="reg", {ONE}'], {"basic": {"realm": "reg"}, "bearer": BEARER}),
        ([f'{ONE}, Basic realm="reg"'], {"basic": {"realm": "reg"}, "bearer": BEARER}),
        ([ONE, 'Basic realm="reg"'], {"basic": {"realm": "reg"}, "bearer": BEARER}),
        ([f"Negotiate, {ONE}"], {"negotiate": {}, "bearer": BEARER}),
        ([f"Negotiate YWJjZA==, {ONE}"], {"negotiate": {}, "bearer": BEARER}),
        (['BEARER Realm = "x" , SERVICE=y'], {"bearer": {"realm": "x", "service": "y"}}),
        ([', ,Basic realm="a\\"b, Bearer realm=\\"c"'], {"basic": {"realm": 'a"b, Bearer realm="c'}}),
        (['Basic realm="first", Basic realm="second"'], {"basic": {"realm": "first"}}),
        (["Basic"], {"basic": {}}),
        ([], {}),
        ([""], {}),
        (['realm="x"'], {}),
        (['Basic realm="never closed'], {"basic": {}}),
    ],
)
def test_every_challenge_keeps_its_own_parameters(fields: list[str], expected: dict[str, dict[str, str]]) -> None:
    assert challenges(fields) == expected


@given(st.lists(st.text('Bearer Basic="\\, ;\t=realm', max_size=80), max_size=3))
def test_anything_is_read_without_an_error(fields: list[str]) -> None:
    challenges(fields)
