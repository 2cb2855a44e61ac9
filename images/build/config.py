"""The image configuration and annotations (OCI image-spec v1.1, config.md and annotations.md), from a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from env.platforms import Platform
from images.build.layers import Layer
from images.recipe.checks import LABEL, Check, to_label
from images.recipe.recipe import Recipe

SECOND = 1_000_000_000
# Docker counts in nanoseconds. Starting may take minutes under emulation; a failure counts only after that.
HEALTH_TIMES = {"Interval": 30 * SECOND, "Timeout": 10 * SECOND, "StartPeriod": 180 * SECOND, "Retries": 3}
ENVIRONMENT_LABEL = "io.github.jupyter-mcp.environment"
ENVIRONMENTS_LABEL = "io.github.jupyter-mcp.environments"
"""Of several environments, where each is: an object in JSON."""
CREATED_BY = "jupyter-mcp images: "
"""What a layer's history entry begins with, before the layer's name."""


DEV_CONTAINER = "devcontainer.metadata"
"""What editors read that attach to the image as a dev container (containers.dev, image metadata)."""


@dataclass(frozen=True)
class Extra:
    """What an image's configuration says besides what its recipe does."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """What activating its environment would set."""
    environments: Mapping[str, str] = field(default_factory=dict)
    """Of several environments, where each is."""
    checks: Sequence[Check] = ()


NOTHING = Extra()


def _dev_container(recipe: Recipe) -> str:
    """Return what an editor should know; an image that serves something is started as it is."""
    ports = [port for part in recipe.parts for port in part.part.config.ports]
    known: dict[str, Any] = {"remoteUser": recipe.user.name, "updateRemoteUserUID": False}
    if ports:
        known |= {"forwardPorts": ports, "overrideCommand": False}
    return json.dumps([known], separators=(",", ":"))


def notes_of(recipe: Recipe, environment: str, created: str) -> dict[str, str]:
    """Return the standard annotations, and which environment the packages come from."""
    return {
        "org.opencontainers.image.title": recipe.image.title,
        "org.opencontainers.image.description": recipe.image.description,
        "org.opencontainers.image.created": created,
        "org.opencontainers.image.licenses": "BSD-3-Clause",
        ENVIRONMENT_LABEL: environment,
    }


def image_config(
    recipe: Recipe,
    platform: Platform,
    environment: str,
    created: str,
    layers: Sequence[Layer],
    extra: Extra = NOTHING,
) -> dict[str, Any]:
    """Return the configuration of one platform's image, without the layers' diff_ids; what a part says counts most.

    Later parts add to what earlier ones say; entrypoint, command and working directory are the last part's that has
    one.
    """
    user = recipe.user
    configs = [part.part.config for part in recipe.parts]
    env = {
        "HOME": user.home,
        **extra.variables,
        **{name: value for config in configs for name, value in config.env.items()},
    }
    volumes = [path.replace("~", user.home, 1) for config in configs for path in config.volumes.values()]
    labels = {name: value for config in configs for name, value in config.labels.items()}
    config: dict[str, Any] = {
        "User": f"{user.uid}:{user.gid}",
        "Env": [f"{name}={value}" for name, value in env.items()],
        "ExposedPorts": {f"{port}/tcp": {} for config in configs for port in config.ports},
        "Volumes": {volume: {} for volume in volumes},
        "Entrypoint": next((list(config.entrypoint) for config in reversed(configs) if config.entrypoint), []),
        "Cmd": next((list(config.command) for config in reversed(configs) if config.command), []),
        "WorkingDir": next((config.working_dir for config in reversed(configs) if config.working_dir), "/"),
        "StopSignal": "SIGTERM",
        "Labels": {
            DEV_CONTAINER: _dev_container(recipe),
            **labels,
            **notes_of(recipe, environment, created),
            **({ENVIRONMENTS_LABEL: json.dumps(dict(extra.environments))} if extra.environments else {}),
            LABEL: to_label(
                (check for part in recipe.parts for check in part.part.check), (*recipe.image.check, *extra.checks)
            ),
        },
    }
    if healthcheck := next((list(one.healthcheck) for one in reversed(configs) if one.healthcheck), []):
        config["Healthcheck"] = {"Test": ["CMD", *healthcheck], **HEALTH_TIMES}
    return {
        "created": created,
        "architecture": platform.architecture,
        "os": "linux",
        "config": config,
        "history": [{"created": created, "created_by": f"{CREATED_BY}{layer.plan.name}"} for layer in layers],
    }
