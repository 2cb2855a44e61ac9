"""The site as `./noxw -s docs` builds it: from this repository, and what a broken page does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from door.environments import DOCS, Environments
from tests.support.documents import ROOT
from tests.support.needs import needs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of the environment that builds the site."""
    with Environments(python=sys.executable).ready(DOCS) as environment:
        return environment.path / "bin" / "python"


def build(python: Path, checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "docs.site", *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of all that the site is made of."""
    folder = tmp_path / "checkout"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if not name.startswith(("tests/", "labextension/")) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def output(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this repository as 0.2.0, built beside that of an older version."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "0.0.1").mkdir()
    (folder / "0.0.1" / "index.html").write_text("old")
    done = build(python, ROOT, "--output", str(folder), "--version", "0.2.0")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_is_whole_and_keeps_other_versions(output: Path) -> None:
    site = output / "0.2.0"
    for name in ("index.html", "search.html", "decisions/index.html", "repository/CHANGELOG.html", "llms.txt"):
        assert (site / name).is_file(), name
    listed = [line.partition("](")[2].partition(")")[0] for line in (site / "llms.txt").read_text().splitlines()]
    assert all((site / name).is_file() for name in filter(None, listed))
    assert (output / "0.0.1" / "index.html").read_text() == "old"
    assert '["0.2.0", "0.0.1"]' in (output / "versions.js").read_text()


@needs("chromium")
def test_people_search_choose_a_version_and_read_on_a_phone(output: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((output / "0.2.0" / "search.html").as_uri() + "?q=journal")
        page.locator("ul.search li a").first.wait_for()
        for name in (
            "index",
            "reference/tool-calls",
            "reference/commands",
            "explanation/performance",
            "how-to/install",
        ):
            page.goto((output / "0.2.0" / f"{name}.html").as_uri())
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide == 0, f"{name} is wider than a phone"
        page.set_viewport_size({"width": 1280, "height": 900})
        page.get_by_label("Version of the documentation").select_option("0.0.1")
        page.wait_for_url("**/0.0.1/index.html")
        assert page.inner_text("body") == "old"
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        browser.close()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("[x](#no-heading-here)\n[x](../reference/tools.md#none-there)", ["no-heading-here", "none-there"]),
        ("[x](no-such-page.md)", ["no-such-page.md"]),
        ('<img src="https://example.org/badge.svg">', ["from another host"]),
    ],
)
def test_a_page_with_a_fault_fails_the_build_and_leaves_the_old_site(
    python: Path, checkout: Path, fault: str, told: list[str]
) -> None:
    page = checkout / "docs" / "how-to" / "work-offline.md"
    page.write_text(f"{page.read_text()}\n{fault}\n")
    (checkout / "dist" / "docs" / "1").mkdir(parents=True)
    (checkout / "dist" / "docs" / "1" / "index.html").write_text("old")
    done = build(python, checkout, "--version", "1")
    assert done.returncode == 1
    assert [word for word in told if word not in done.stderr] == []
    assert (checkout / "dist" / "docs" / "1" / "index.html").read_text() == "old"
    assert [path.name for path in (checkout / "dist" / "docs").iterdir()] == ["1"]
