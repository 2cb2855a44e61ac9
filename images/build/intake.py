"""What an image of somebody else's project needs besides its packages, and what is refused of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from env.errors import NotTakenError, ScriptsNotRunError, SpecError, UnmetError
from env.formats.lock import LockedFile
from env.intake.conda_depends import Unmet
from env.intake.explicit import ExplicitIntake
from env.intake.pixi import PixiIntake
from env.intake.reading import line_of
from env.platforms import Platform
from env.spec import source_requirements
from env.store.store import Store
from images.build.build import Build, Named
from images.build.requires import metadata_of, unmet
from images.build.workers import Place
from images.rootfs.activation import Activation, expanded, read_script
from images.rootfs.own_wheel import own_wheel
from images.rootfs.wheels import PREFIX

_OF_WHEELS = ("pylock", "pypi", "overlay")


def build_own(build: Build, store: Store) -> dict[Place, tuple[LockedFile, ...]]:
    """Build the wheels of projects in folders that the lock has, by place; the lock's own project comes last.

    Raises:
        NotTakenError: one can't be built, or two of them are one package.

    """
    folders = {
        Place(platform, one.prefix): (one.intake, one.intake.folders(platform))
        for platform in build.platforms
        for one in build.environments
    }
    made = {
        folder: own_wheel(folder, store, build.epoch, build.created)
        for folder in dict.fromkeys(folder for _, some in folders.values() for folder in some)
    }
    for place, (intake, some) in folders.items():
        locks = build.all_locks(place.platform)[place.prefix]
        names = {file.name for lock in locks if lock.source in _OF_WHEELS for file in lock.files}
        for folder in some:
            if (name := made[folder].name) in names:
                raise NotTakenError(intake.path, f"has {name} twice, and one of them is the project in {folder}")
            names.add(name)
    return {place: tuple(made[folder] for folder in some) for place, (_, some) in folders.items() if some}


def require_met(build: Build, store: Store, own: dict[Place, tuple[LockedFile, ...]]) -> None:
    """Refuse wheels that require what does not go in with them; the store holds them all.

    Raises:
        UnmetError: some do, and the recipe does not say that they may.

    """
    allowed = {canonicalize_name(name) for name in build.recipe.image.allow_unmet}
    for platform in build.platforms:
        for one in build.environments:
            intake, locks = one.intake, build.all_locks(platform)[one.prefix]
            files = [file for lock in locks if lock.source in _OF_WHEELS for file in lock.files]
            files += own.get(Place(platform, one.prefix), ())
            if not files:
                continue
            python = intake.locks(platform)["environment"].python
            wheels = [wheel for wheel in metadata_of(files, store) if wheel.name not in allowed]
            kept = {file.name: file.version for file in files}
            asked = [*intake.requires(platform), *(_added_for(build) if one.prefix == PREFIX else ())]
            found = list(unmet(wheels, asked, {**intake.provided(platform), **kept}, platform, python))
            if found:
                raise UnmetError(intake.path, platform, found, intake.command)


def require_depends(build: Build) -> None:
    """Refuse conda packages without what they depend on, as far as the lock says that.

    Raises:
        UnmetError: some lack something, and the recipe does not say that they may.

    """
    for platform in build.platforms:
        for one in build.environments:
            _require_depends(build, one, platform, one.intake.lacking(platform))


def _require_depends(build: Build, one: Named, platform: Platform, unmet: Iterable[Unmet]) -> None:
    allowed = {name.lower() for name in build.recipe.image.allow_unmet}
    if found := [each.text for each in unmet if each.name not in allowed]:
        raise UnmetError(one.intake.path, platform, found, one.intake.command)


def require_installed(build: Build, place: Place, activation: Activation) -> None:
    """Refuse conda packages, once they are installed, that would not work as they are in the image.

    Raises:
        UnmetError: an @EXPLICIT file lacks what its packages depend on.
        NotTakenError: a distribution is among them and, in another version, among the wheels over them.
        ScriptsNotRunError: as `require_no_links`.

    """
    for one in build.environments:
        if one.prefix == place.prefix:
            if isinstance(one.intake, ExplicitIntake):
                # Other locks say themselves what each package depends on, as its channel's index has it.
                _require_depends(build, one, place.platform, activation.lacking)
            _require_single(build, one, place, activation.distributions)
    require_no_links(build, place, activation)


def _require_single(build: Build, one: Named, place: Place, distributions: Mapping[str, str]) -> None:
    locks = build.all_locks(place.platform)[place.prefix]
    for file in (file for lock in locks if lock.source == "pypi" for file in lock.files):
        has = distributions.get(file.name)
        if has is not None and not _same(has, file.version) and file.name not in build.recipe.image.allow_unmet:
            raise NotTakenError(
                one.intake.path,
                f"has {file.name} {has} among its conda packages and {file.name} {file.version} among its wheels, over "
                f"one another: ask for one of them, and make the lock again with `{one.intake.command}`",
            )


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _added_for(build: Build) -> list[str]:
    """Return what the overlay asks for, where the recipe has one."""
    return source_requirements("with-jupyter", build.tree) if "overlay" in build.recipe.installs else []


def require_no_links(build: Build, place: Place, activation: Activation) -> None:
    """Refuse conda packages whose post-link script would have to run, unless the recipe does without.

    Raises:
        ScriptsNotRunError: there are some.

    """
    names = [name for name in activation.links if name not in build.recipe.image.skip_post_link]
    if names:
        scripts = ", ".join(f"{place.prefix}/bin/.{name}-post-link.sh" for name in names)
        quoted = ", ".join(f'"{name}"' for name in names)
        raise ScriptsNotRunError(
            f"{', '.join(names)} would run a script when installed on {place.platform}, and no package's script runs "
            "here",
            f"read {scripts} in it; put what it makes into a part's rootfs/ or run it when a container starts, and say "
            f"skip-post-link = [{quoted}] in image.toml (--skip-post-link {','.join(names)})",
        )


def activated(build: Build, place: Place, packages: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that the project's own activation of an environment sets, after those of its packages.

    Without those of its `packages`, which are known once these are installed, a value may hold what is not known yet.

    Raises:
        ScriptsNotRunError: a script does more than set variables, and the recipe does not do without it.
        SpecError: a variable can't be known here.

    """
    intake = next((one.intake for one in build.environments if one.prefix == place.prefix), None)
    if intake is None:
        return {}
    platform = place.platform
    given = {"CONDA_PREFIX": place.prefix, "HOME": build.recipe.user.home, **_path(build), **(packages or {})}
    if isinstance(intake, PixiIntake):
        given |= {"PIXI_ENVIRONMENT_NAME": intake.name, "PIXI_PROJECT_NAME": intake.manifest.name}
    found: dict[str, str] = {}
    for script in intake.scripts(platform):
        if script.name not in build.recipe.image.skip_activation:
            found |= _read(script, {**given, **found})
    for name, value in intake.variables(platform).items():
        try:
            found[name] = expanded(value, {**given, **found})
        except ValueError as error:
            if packages is None and "PIXI_PROJECT" not in value:
                continue
            where = line_of(intake.manifest.path, name) if isinstance(intake, PixiIntake) else intake.path
            reason = f"activation.env.{name} = {value!r} {error}: write a value that holds inside the image"
            raise SpecError(where, reason) from None
    return found


def _path(build: Build) -> dict[str, str]:
    configs = [part.part.config.env for part in build.recipe.parts]
    return {name: value for env in configs for name, value in env.items()}


def _read(script: Path, given: dict[str, str]) -> dict[str, str]:
    try:
        return read_script(script, given)
    except OSError as error:
        reason = f"can't be read ({error.strerror})"
    except ValueError as error:
        reason = str(error)
    name = script.name
    raise ScriptsNotRunError(
        f"{script}: the project's activation runs this script, which {reason}",
        f'write what it sets into [activation.env], or say skip-activation = ["{name}"] in image.toml '
        f"(--skip-activation {name}) if the image does without it",
    )
