"""Which file of a folder says what to install: the one lock that is taken, or what is there and is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from env.errors import NotTakenError, SpecError, UnlockedError
from env.intake.commands import conda_lock, lock_recipe, pixi_lock, poetry_export, quoted, uv_lock
from env.intake.conda_lock_yml import CONDA_LOCK, CondaLockIntake
from env.intake.environment_yml import MAIN, find_environment_yml
from env.intake.explicit import ExplicitIntake, is_explicit
from env.intake.intake import NOTHING_MORE, Chosen, Intake
from env.intake.pixi import PIXI_LOCK, PixiIntake
from env.intake.pixi_manifest import DEFAULT, find_manifest
from env.intake.pylock import PYLOCK
from env.intake.python_project import PYPROJECT, python_project
from env.intake.requirements_txt import REQUIREMENTS
from env.intake.uv_workspace import UV_LOCK, find_uv_lock
from env.intake.wheel_locks import WheelIntake, is_hashed
from env.spec import Tree

OURS = "ours"
"""What a recipe says whose packages are this project's own, whatever else is in its folder."""
_ALSO = ("postBuild", "start", "runtime.txt", "install.R", "Project.toml", "DESCRIPTION", "default.nix", "Dockerfile")
"""What repo2docker reads besides, so that people may wait for it."""
_KINDS = {"conda": "conda packages", "wheels": "wheels"}


def take(
    tree: Tree,
    *,
    kinds: Sequence[str] = ("conda", "wheels"),
    file: str = "",
    environment: str = "",
    chosen: Chosen = NOTHING_MORE,
) -> Intake | None:
    """Return the lock of a folder that is taken: of `file`, or the first of its kinds; None where there is nothing.

    `environment` is the name of one of several in the lock, `chosen` are the extras and groups that are wanted.

    Raises:
        UnlockedError: what is there is not locked, is of another kind, or there are several to choose from.
        SpecError: a file can't be read.

    """
    found = [_of_file(tree, file, environment)] if file else list(_locks(tree, environment))
    fitting = [one for one in found if one.environment in kinds]
    if fitting:
        if environment and not fitting[0].part:
            raise NotTakenError(
                fitting[0].path,
                f"has one environment, and none is called {environment!r}: leave out --environment (environment in "
                f"image.toml); {PIXI_LOCK} and {CONDA_LOCK} may have several",
            )
        return _with(fitting[0], chosen)
    if found:
        has, wants = _KINDS[found[0].environment], " or ".join(_KINDS.get(kind, kind) for kind in kinds)
        raise UnlockedError(
            found[0].path,
            f'is a lock of {has}, and {wants} are built: write environments = ["{found[0].environment}"] into '
            f'image.toml, or lock = "{OURS}" if the image is to have this project\'s own packages',
        )
    for path, advice in _unlocked(tree):
        raise UnlockedError(path, f"is no lock, so nothing says what to install: {advice}")
    return None


def _with(intake: Intake, chosen: Chosen) -> Intake:
    """Return an intake with the extras and groups that are wanted of it."""
    if not chosen:
        return intake
    if isinstance(intake, WheelIntake) and not intake.is_requirements and not intake.answers_requirements:
        return replace(intake, wanted=chosen)
    names = ", ".join((*chosen.extras, *chosen.groups))
    raise NotTakenError(
        intake.path,
        f"has no extras and groups to choose from ({names}), as {UV_LOCK} and {PYLOCK} of a project have: leave out "
        "--extra and --group (extras and groups in image.toml); what it installs is in it",
    )


def passed_over(tree: Tree, taken: Intake) -> list[str]:
    """Return the names of the other files of a folder that say what to install, and are not looked at."""
    others = [one.path.name for one in _locks(tree, "") if one.path != taken.path]
    manifest = find_manifest(tree.root)
    used = {taken.path.name, REQUIREMENTS, PYPROJECT}
    if taken.path.name == PIXI_LOCK and manifest is not None:
        used.add(manifest.path.name)
    if isinstance(taken, CondaLockIntake) and (source := find_environment_yml(tree.root)) is not None:
        used.add(source.name)
    unlocked = [path.name for path, _ in _unlocked(tree)]
    also = [name for name in _ALSO if (tree.root / name).is_file() or (tree.root / "binder" / name).is_file()]
    return [name for name in dict.fromkeys([*others, *unlocked, *also]) if name not in used]


def _of_file(tree: Tree, name: str, environment: str) -> Intake:
    path = tree.root / name
    if name == UV_LOCK:
        path = find_uv_lock(tree.root) or path
    if not path.is_file():
        raise UnlockedError(path, "is not there")
    if path.name == PIXI_LOCK:
        return _pixi(tree, path, environment)
    if path.suffix in (".yml", ".yaml") and "conda-lock" in path.name:
        return CondaLockIntake(path, tree, environment or MAIN)
    if is_explicit(path):
        return ExplicitIntake(path, tree, (path,))
    if path.name == UV_LOCK or path.suffix == ".txt" or (path.name.startswith("pylock") and path.suffix == ".toml"):
        return WheelIntake(path, tree)
    known = (
        f"{PIXI_LOCK}, {CONDA_LOCK}, {PYLOCK}, pylock.NAME.toml, {UV_LOCK}, a requirements.txt with hashes or an "
        "@EXPLICIT file"
    )
    raise UnlockedError(path, f"is no lock that is known here: name a {known}")


def _pixi(tree: Tree, path: Path, environment: str) -> PixiIntake:
    manifest = find_manifest(tree.root)
    if manifest is None:
        reason = (
            "there is no pixi.toml, and no pyproject.toml with [tool.pixi], beside it: nothing says what it answers"
        )
        raise UnlockedError(path, reason)
    return PixiIntake(path, tree, manifest, environment or DEFAULT)


def _locks(tree: Tree, environment: str) -> Iterator[Intake]:
    root = tree.root
    if (root / PIXI_LOCK).is_file():
        yield _pixi(tree, root / PIXI_LOCK, environment)
    for path in _conda_locks(root):
        yield CondaLockIntake(path, tree, environment or MAIN)
    if explicit := _explicit(root):
        yield ExplicitIntake(explicit[0], tree, tuple(explicit))
    # Beside a uv.lock, a pylock.toml is what somebody once made of it; beside a requirements.txt it is its lock.
    wheels = {UV_LOCK: find_uv_lock(root), PYLOCK: root / PYLOCK if (root / PYLOCK).is_file() else None}
    names = (PYLOCK, UV_LOCK) if (root / REQUIREMENTS).is_file() else (UV_LOCK, PYLOCK)
    yield from (WheelIntake(path, tree) for path in map(wheels.get, names) if path is not None)
    named = sorted(root.glob("pylock.*.toml"))
    if len(named) == 1:
        yield WheelIntake(named[0], tree)
    if (root / REQUIREMENTS).is_file() and not (root / PYLOCK).is_file() and is_hashed(tree):
        yield WheelIntake(root / REQUIREMENTS, tree)
    elif len(named := _hashed(tree)) == 1:
        yield WheelIntake(named[0], tree)


def _conda_locks(root: Path) -> list[Path]:
    names = (CONDA_LOCK, "conda-lock.yaml")
    return [root / name for name in names if (root / name).is_file()] or sorted(root.glob("*.conda-lock.yml"))[:1]


def _hashed(tree: Tree) -> list[Path]:
    """Return the files of requirements with hashes whose name is another than requirements.txt."""
    root = tree.root
    found = []
    for path in sorted([*root.glob("requirements*.txt"), *root.glob("requirements/*.txt")]):
        if path == root / REQUIREMENTS or is_explicit(path):
            continue
        try:
            if is_hashed(tree, path.relative_to(root).as_posix()):
                found.append(path)
        except SpecError:
            # Whatever else is in it: it is no lock.
            continue
    return found


def _explicit(root: Path) -> list[Path]:
    return [path for pattern in ("*.lock", "*.txt") for path in sorted(root.glob(pattern)) if is_explicit(path)]


def _unlocked(tree: Tree) -> Iterator[tuple[Path, str]]:
    """Yield what says what is wanted, and is no lock, each with what makes one of it."""
    root = tree.root
    manifest = find_manifest(root)
    if manifest is not None:
        yield manifest.path, f"run `{pixi_lock(manifest.path)}`, which writes {PIXI_LOCK}"
    if (path := find_environment_yml(root)) is not None:
        yield path, f"run `{conda_lock(path)} -p linux-64 -p linux-aarch64`"
    named = sorted(root.glob("pylock.*.toml"))
    if len(named) > 1 and not (root / PYLOCK).is_file():
        names = ", ".join(path.name for path in named)
        yield root, f'of {names}, name one: lock = "{named[0].name}" in image.toml, or --from {quoted(named[0])}'
    if len(hashed := _hashed(tree)) > 1 and not (root / REQUIREMENTS).is_file():
        names = ", ".join(path.relative_to(root).as_posix() for path in hashed)
        yield root, f"of {names}, name one: --from {quoted(hashed[0])}"
    if (root / REQUIREMENTS).is_file() and not (root / PYLOCK).is_file():
        yield root / REQUIREMENTS, f"make it with `{lock_recipe(root)}`, which writes {PYLOCK}"
    project = python_project(tree)
    others = {
        "poetry.lock": f"run `{poetry_export(root)}` (of poetry-plugin-export)",
        "pdm.lock": f"run `pdm export -p {quoted(root)} -f pylock -o {quoted(root / PYLOCK)}`",
        "Pipfile.lock": f"run `pipenv requirements --hash > {quoted(root / REQUIREMENTS)}`",
        "Pipfile": "run `pipenv lock`, then `pipenv requirements --hash > requirements.txt`",
    }
    yield from ((root / name, advice) for name, advice in others.items() if (root / name).is_file())
    if project is not None:
        yield project.path, f"run `{uv_lock(root)}`, which writes {UV_LOCK}"
    inputs = sorted([*root.glob("requirements*.in"), *root.glob("requirements*.txt"), *root.glob("setup.py")])
    for path in inputs:
        if path.name != REQUIREMENTS and not is_explicit(path):
            compiled = f"uv pip compile {quoted(path)} --universal --format pylock.toml -o {quoted(root / PYLOCK)}"
            yield path, f"run `{compiled}`"
