"""What ``python -m release`` does."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from env.spec import ROOT, Tree
from images.names import recipe_names
from release.bundle import SUMS, Bundle, Wanted, make_bundle
from release.checkout import Checkout, elsewhere, read_checkout
from release.distributions import build_distributions
from release.twice import WORK, check
from release.versions import BUILT, set_version


def run(options: argparse.Namespace, console: Console) -> None:
    """Make a release, check it, or write a version, as the command line says.

    Raises:
        EnvError: anything that can be put right; its message says how.

    """

    def say(text: str) -> None:
        console.print(f"release: {text}", markup=False)

    if options.set_version:
        _set_version(options.set_version, console)
        return
    checkout = _checkout(options)
    wanted = Wanted(
        distributions=options.only != "images",
        images=() if options.only == "distributions" else options.image or tuple(recipe_names()),
        draft=options.draft or options.check,
        store=None if options.store is None else options.store.absolute(),
    )
    if options.commit is None and not Tree(checkout.root).toml("pyproject.toml")["project"].get("urls"):
        say("pyproject.toml has no [project.urls]: the pages of indexes will not say where the source is")
    if options.check:
        done = check(checkout, wanted, WORK.absolute(), say)
        say(f"twice the same: {len(done.files)} files, {len(done.images)} images")
    else:
        done = make_bundle(checkout, wanted, options.output.absolute(), say)
    _report(done, console, as_json=options.json, kept=not options.check and options.commit is None)


def run_package(options: argparse.Namespace, console: Console) -> None:
    """Build the wheel and the sdist of what is here."""
    for path in build_distributions(read_checkout(ROOT, draft=True), options.output):
        console.print(str(path), markup=False)


def _checkout(options: argparse.Namespace) -> Checkout:
    if options.commit is None:
        return read_checkout(ROOT, draft=options.draft)
    return elsewhere(ROOT, "" if options.commit == "none" else options.commit, options.time)


def _set_version(version: str, console: Console) -> None:
    written = set_version(ROOT, version, datetime.now(tz=UTC).date())
    for name in written:
        console.print(f"wrote {name}", markup=False)
    if not written:
        console.print(f"{version} is in every place already", markup=False)
    elif "labextension/package.json" in written:
        console.print(f"next: `./noxw -s labextension`, which makes {BUILT} of it, and a look at the changelog")


def _report(done: Bundle, console: Console, *, as_json: bool, kept: bool) -> None:
    if as_json:
        print(json.dumps(done.summary(), indent=2))  # noqa: T201 - the result, for a program to read
        return
    out = Console(highlight=False, soft_wrap=True)
    for name, digest in done.files.items():
        out.print(f"{digest}  {name}", markup=False)
    for image in done.images:
        out.print(f"{image.name}  index {image.index}  {', '.join(image.platforms)}", markup=False)
    if kept:
        console.print(f"{done.folder}: {done.version}, checksums in {Path(done.folder) / SUMS}", markup=False)
