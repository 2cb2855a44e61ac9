"""What a tab says about its user is anything; who is named is listed once."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jupyter_mcp.rtc_adapter import Rooms


def rooms_of(*states: Any) -> Rooms:
    room = SimpleNamespace(awareness=SimpleNamespace(states=dict(enumerate(states))))
    extension = SimpleNamespace(ywebsocket_server=SimpleNamespace(rooms={"one": room, "two": room}))
    return Rooms({"jupyter_server_ydoc": extension}, Path("journals"), logging.getLogger("test"), fsync=False, idle=1.0)


def test_people_are_listed_once_and_odd_users_are_passed_over() -> None:
    odd = [None, 3, "x", [], {}, {"user": None}, {"user": "ada"}, {"user": {"name": 4}}, {"user": {"username": [1]}}]
    ada = {"user": {"username": "u1", "display_name": "Ada"}}
    unnamed = {"user": {"username": "u2"}}
    assert rooms_of(*odd, ada, ada, unnamed).people() == [{"id": "u1", "name": "Ada"}, {"id": "u2", "name": "u2"}]


def test_a_user_whose_username_is_no_text_is_known_by_the_name() -> None:
    assert rooms_of({"user": {"username": 5, "name": "Ada"}}).people() == [{"id": "Ada", "name": "Ada"}]
