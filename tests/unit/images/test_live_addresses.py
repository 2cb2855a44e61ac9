"""A running server's token and its host are not led elsewhere by the checks of whoever made the image."""

from __future__ import annotations

import json
from typing import Any

import pytest

from images.check import live_server
from images.check.live_server import check_live
from images.check.run import Verdict
from images.check.verbs import Target
from images.recipe.checks import LABEL, Check

URL = "https://lab.example.org"


@pytest.mark.parametrize(
    ("check", "asked"),
    [
        ({"http": "http://${CONTAINER_IP}:${HOST_PORT:8888}/api"}, True),
        ({"mcp": "http://${CONTAINER_IP}:${HOST_PORT:8888}/mcp", "do": "ping"}, True),
        ({"addr": "${CONTAINER_IP}:${HOST_PORT:8888}"}, True),
        ({"mcp": "http://evil.example.org/mcp", "do": "ping"}, False),
        ({"mcp": "http://${CONTAINER_IP}:${HOST_PORT:8888}@evil.example.org/mcp", "do": "ping"}, False),
        ({"mcp": "http://${CONTAINER_IP}:${HOST_PORT:8888}.evil.example.org/mcp", "do": "ping"}, False),
        ({"mcp": "http://lab.example.org/mcp", "do": "ping"}, False),
        ({"http": "http://169.254.169.254/latest/meta-data"}, False),
        ({"http": "http://[::1/"}, False),
        ({"http": "file:///etc/passwd"}, False),
        ({"addr": "10.0.0.1:22"}, False),
    ],
)
def test_only_the_server_that_was_named_is_asked(
    check: dict[str, Any], *, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Check] = []

    def judged(one: Check, _target: Target, where: str) -> Verdict:
        tried.append(one)
        return Verdict(where, one.id, None, 0)

    monkeypatch.setattr(live_server, "judge", judged)
    label = json.dumps({"deploy": [{"id": "c", "scope": "deploy", **check}]})
    config = {"Labels": {LABEL: label}, "ExposedPorts": {"8888/tcp": {}}, "Env": ["NO_VALUE"], "Volumes": None}
    (verdict,) = check_live(config, "image", URL, "secret", lambda _verdict: None)
    assert bool(tried) is asked
    assert (verdict.skipped is None) is asked
