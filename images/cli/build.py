"""``python -m images build``: what it does. The solver and the downloads that it needs are imported with this alone."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from env.errors import UnlockedError
from env.index.probe import choose
from env.intake.found import passed_over
from env.intake.intake import Chosen
from env.platforms import Platform, parse_platform, parse_platforms
from env.spec import Tree
from env.store.fetch import fetch
from env.store.store import Store
from images.assemble import Result, assemble
from images.build import plan
from images.build.build import Build
from images.build.intake import activated, require_depends
from images.build.layers import Layer
from images.build.workers import Place
from images.cli.layouts import DIST
from images.oci.tarball import Compression
from images.recipe.project import project_recipe, with_chosen
from images.recipe.recipe import MAX_LAYERS, Recipe, load_recipe, read_recipe


def run_build(options: argparse.Namespace, console: Console) -> None:
    """Build, or print the plan, as the command line says.

    Raises:
        EnvError: anything that can be put right; its message says how.

    """
    build = _build(options, console)
    console.print(f"{build.recipe.image.name}: environment {build.environment}, {_names(build)}")
    store = Store(options.store)
    build.require_fresh()
    require_depends(build)
    for platform in build.platforms:
        for prefix in build.all_locks(platform):
            activated(build, Place(platform, prefix))
    if options.plan:
        _show_plan(build, store, as_json=options.json)
        return
    output = options.output or DIST / build.recipe.image.name
    with store.in_use():
        fetch(build.needed(), store, console=console)
        result = _assemble(build, store, output, console)
    for script in result.unread:
        advice = "write the variables that it sets into a part's [config] env"
        console.print(f"{script} does more than set variables and is not run: {advice}", markup=False)
    if result.unconfigured:
        names = ", ".join(result.unconfigured)
        advice = "where one lacks what its script makes, put that into a part's rootfs/"
        console.print(f"no script of a Debian package runs here, of {names}: {advice}", markup=False)
    if options.json:
        print(json.dumps(_summary(result, output), indent=2))  # noqa: T201 - the result, for a program to read
    else:
        _report(result, output)


def _show_plan(build: Build, store: Store, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(plan.summary(build, store), indent=2))  # noqa: T201 - the result, for a program to read
        return
    out = Console(highlight=False, soft_wrap=True)
    for line in plan.described(build, store):
        out.print(line, markup=False)


def _names(build: Build) -> str:
    return " and ".join(platform.oci for platform in build.platforms)


def _build(options: argparse.Namespace, console: Console) -> Build:
    tree = Tree()
    recipe = _recipe(options, tree, console)
    offered = tuple(parse_platform(name) for name in recipe.image.platforms)
    platforms = parse_platforms(options.platform) if options.platform else offered
    if options.env:
        return Build(recipe, platforms, options.env, options.compression, tree)
    builds = fitting(recipe, platforms, options.compression, tree)
    if options.plan or len(recipe.image.environments) == 1:
        # A plan asks no network, so it can't know what would answer.
        return builds[0]
    store = Store(options.store)
    chosen, why = choose({one.environment: one.needed() for one in builds}, lambda sha256: sha256 in store)
    console.print(f"environment {chosen}: {why} (--env NAME pins it)")
    return next(build for build in builds if build.environment == chosen)


def fitting(recipe: Recipe, platforms: tuple[Platform, ...], compression: Compression, tree: Tree) -> list[Build]:
    """Return a build for each environment that the recipe offers, without those that its own lock is not for.

    Raises:
        UnlockedError: it is for none of them.

    """
    builds: list[Build] = []
    refused: UnlockedError | None = None
    for name in recipe.image.environments:
        try:
            builds.append(Build(recipe, platforms, name, compression, tree))
        except UnlockedError as error:
            refused = refused or error
    if not builds and refused is not None:
        raise refused
    return builds


def _recipe(options: argparse.Namespace, tree: Tree, console: Console) -> Recipe:
    """Return the recipe that the command line names; of a project without one, say what of it is taken."""
    bare = options.project is not None and not (options.project / "image.toml").is_file()
    if options.with_what and not bare:
        where = f"{options.project / 'image.toml'} lists" if options.project else "list"
        options.parser.error(f"--with is for a project without a recipe (--from): {where} the parts of a recipe")
    if bare:
        recipe, intakes = project_recipe(
            options.project,
            tree,
            options.environment,
            jupyter=bool(options.with_what),
            chosen=Chosen(options.extra, options.group),
        )
        for line in (line for intake in intakes for line in intake.described()):
            console.print(line, markup=False)
        if others := passed_over(intakes[0].tree, intakes[0]):
            console.print(f"not looked at: {', '.join(others)}", markup=False)
    elif options.project or options.recipe:
        recipe = read_recipe(options.project or options.recipe)
    else:
        recipe = load_recipe(options.image)
    recipe = with_chosen(recipe, options.environment, Chosen(options.extra, options.group))
    image = recipe.image
    changes: dict[str, object] = {
        "allow_unmet": (*image.allow_unmet, *options.allow_unmet),
        "skip_post_link": (*image.skip_post_link, *options.skip_post_link),
        "skip_activation": (*image.skip_activation, *options.skip_activation),
    }
    if options.skip_debian:
        changes["skip_debian"] = True
    if options.max_layers is not None:
        if not 0 < options.max_layers <= MAX_LAYERS:
            options.parser.error(f"--max-layers: a number from 1 to {MAX_LAYERS}")
        changes["max_layers"] = options.max_layers
    return replace(recipe, image=image.model_copy(update=changes))


def _assemble(build: Build, store: Store, output: Path, console: Console) -> Result:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("layers", total=None)

        def total(count: int) -> None:
            progress.update(task, total=count)

        def done(layer: Layer) -> None:
            progress.advance(task)
            if not layer.reused:
                blob = layer.blob
                console.print(
                    f"{layer.plan.platform}  {layer.plan.name}: {decimal(blob.size)} of {decimal(blob.unpacked)}",
                )

        return assemble(build, store, output, total, done)


def _report(result: Result, output: Path) -> None:
    table = Table("platform", "digest", "compressed", "uncompressed", "layers", "reused", box=None, pad_edge=False)
    for one in result.manifests:
        layers = result.layers[one.platform.oci]
        reused = sum(layer.reused for layer in layers)
        table.add_row(
            one.platform.oci,
            f"sha256:{one.document.digest}",
            decimal(one.size),
            decimal(one.unpacked),
            str(len(layers)),
            str(reused),
        )
    out = Console(width=160)
    out.print(table)
    out.print(f"index sha256:{result.image.digest}  {output}")


def _summary(result: Result, output: Path) -> dict[str, object]:
    return {
        "index": f"sha256:{result.image.digest}",
        "layout": str(output),
        "platforms": [
            {
                "platform": one.platform.oci,
                "digest": f"sha256:{one.document.digest}",
                "compressed": one.size,
                "uncompressed": one.unpacked,
                "layers": [
                    {
                        "name": layer.plan.name,
                        "digest": f"sha256:{layer.blob.digest}",
                        "diff_id": f"sha256:{layer.blob.diff_id}",
                        "compressed": layer.blob.size,
                        "uncompressed": layer.blob.unpacked,
                        "reused": layer.reused,
                    }
                    for layer in result.layers[one.platform.oci]
                ],
            }
            for one in result.manifests
        ],
    }
