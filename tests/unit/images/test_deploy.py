"""The files of deploy/ are what their consumers' own schemas allow, say what the image needs, and agree with it.

Podman's generator judges the Quadlet files in tests/images/test_quadlet.py. The schema of the Zero to JupyterHub chart
is on no registry that the tests reach; jupyterhub_chart.yaml has of it what judges our values.
"""

from __future__ import annotations

import configparser
import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from images.recipe.recipe import load_recipe
from tests.support.documents import ROOT, blocks

DEPLOY = ROOT / "deploy"
RECIPE = load_recipe("jupyter")
HEALTH = next(list(part.part.config.healthcheck) for part in RECIPE.parts if part.part.config.healthcheck)
PORT = next(port for part in RECIPE.parts for port in part.part.config.ports)
WORKSPACE = "/home/jovyan/workspace"


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "jupyter.yaml").read_text()))
    for one in documents:
        assert set(one) == {"apiVersion", "kind", "metadata", "spec"}
    return {one["kind"]: one for one in documents}


def pod(manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    template: dict[str, Any] = manifests["StatefulSet"]["spec"]["template"]
    return template


# The oldest that still has upstream support when this was written, and the newest whose schemas are bundled.
KUBERNETES = ("1.34", kubernetes_validate.latest_version())


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(manifests: dict[str, dict[str, Any]], version: str) -> None:
    for one in manifests.values():
        assert kubernetes_validate.validate(one, version, strict=True) in version
    wrong = copy.deepcopy(manifests["StatefulSet"])
    pod({"StatefulSet": wrong})["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readinesProbe"):
        kubernetes_validate.validate(wrong, version, strict=True)


def merged(base: Any, patch: Any) -> Any:
    """Return `base` with a strategic merge patch: objects by key, lists of named things by name."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in patch.items()}}
    if isinstance(base, list) and isinstance(patch, list):
        known = {one.get("name") for one in base}
        patches = {one["name"]: one for one in patch}
        kept = [merged(one, patches[one["name"]]) if one.get("name") in patches else one for one in base]
        return [*kept, *(one for one in patch if one["name"] not in known)]
    return patch


@pytest.mark.parametrize("version", KUBERNETES)
def test_the_how_tos_patch_for_a_token_fits_the_manifest(manifests: dict[str, dict[str, Any]], version: str) -> None:
    (block,) = [one for one in blocks(ROOT / "docs" / "how-to" / "kubernetes.md") if one.language == "yaml"]
    patched = merged(manifests["StatefulSet"], yaml.safe_load(block.text))
    assert kubernetes_validate.validate(patched, version, strict=True) in version
    (container,) = pod({"StatefulSet": patched})["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    (file,) = [one["value"] for one in container["env"] if one["name"] == "JUPYTER_TOKEN_FILE"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert file.startswith(f"{mounts['token']}/")
    assert set(mounts) == {one["name"] for one in pod({"StatefulSet": patched})["spec"]["volumes"]}


def against_schema(schema: str, file: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_compose_is_what_the_compose_specification_says(tmp_path: Path) -> None:
    file = DEPLOY / "compose" / "compose.yaml"
    good = against_schema("compose-spec", file)
    assert good.returncode == 0, good.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(file.read_text().replace("read_only:", "readonly:"))
    bad = against_schema("compose-spec", wrong)
    assert bad.returncode == 1
    assert "readonly" in bad.stdout


def test_kubernetes_objects_refer_to_each_other(manifests: dict[str, dict[str, Any]]) -> None:
    labels = pod(manifests)["metadata"]["labels"]
    assert manifests["StatefulSet"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["StatefulSet"]["spec"]["serviceName"] == manifests["Service"]["metadata"]["name"]
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    spec = pod(manifests)["spec"]
    (container,) = spec["containers"]
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in spec["volumes"]}
    claims = [one["persistentVolumeClaim"]["claimName"] for one in spec["volumes"] if "persistentVolumeClaim" in one]
    assert claims == [manifests["PersistentVolumeClaim"]["metadata"]["name"]]
    (port,) = container["ports"]
    assert port["containerPort"] == PORT
    assert manifests["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]


def test_the_pod_is_hardened_and_probed_by_the_images_own_command(manifests: dict[str, dict[str, Any]]) -> None:
    spec = pod(manifests)["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {one["mountPath"] for one in container["volumeMounts"]} == {WORKSPACE, "/tmp"}  # noqa: S108 - inside
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["exec"]["command"] == HEALTH
    assert spec["terminationGracePeriodSeconds"] > 10


def test_compose_is_hardened_and_listens_on_this_machine_only() -> None:
    document = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    service = document["services"]["jupyter"]
    assert service["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["healthcheck"]["test"] == ["CMD", *HEALTH]
    name, _, path = service["volumes"][0].partition(":")
    assert name in document["volumes"]
    assert path == WORKSPACE


def test_quadlet_is_hardened_and_brings_its_volume() -> None:
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(DEPLOY / "quadlet" / "jupyter.container")
    container = unit["Container"]
    assert container["PublishPort"] == f"127.0.0.1:{PORT}:{PORT}"
    assert (container["ReadOnly"], container["DropCapability"], container["NoNewPrivileges"]) == ("true", "all", "true")
    assert container["HealthCmd"] == " ".join(HEALTH)
    volume, _, path = container["Volume"].partition(":")
    assert (DEPLOY / "quadlet" / volume).is_file()
    assert path == WORKSPACE


def test_the_hub_runs_the_images_own_command_on_its_workspace() -> None:
    singleuser = yaml.safe_load((DEPLOY / "zero-to-jupyterhub" / "values.yaml").read_text())["singleuser"]
    assert singleuser["cmd"] is None
    assert singleuser["storage"]["homeMountPath"] == WORKSPACE
    assert singleuser["uid"] == RECIPE.user.uid


@pytest.fixture(scope="module")
def chart() -> dict[str, Any]:
    schema: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("jupyterhub_chart.yaml").read_text())
    return schema


@pytest.fixture
def values() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "zero-to-jupyterhub" / "values.yaml").read_text())
    return read


def test_the_hubs_chart_knows_every_value(values: dict[str, Any], chart: dict[str, Any]) -> None:
    jsonschema.validate(values, chart)


@pytest.mark.parametrize(
    ("place", "value"),
    [("image", {"name": "a", "tags": "b"}), ("command", None), ("uid", "1000"), ("storage", {"homePath": "/home"})],
)
def test_a_value_that_the_hubs_chart_refuses_is_found(
    values: dict[str, Any], chart: dict[str, Any], place: str, value: Any
) -> None:
    values["singleuser"][place] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, chart)
