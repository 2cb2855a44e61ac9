"""What Sphinx gets: links that hold in the repository hold on the site, and every page is in the navigation."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from docs.site.staging import BESIDE, LinkFaultError, navigation, pages, stage, staged
from tests.support.documents import ROOT


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small repository with a front page, a how-to, a decision and the pages beside docs/."""
    folder = tmp_path / "repository"
    written = {page: f"# {page}\n" for page in BESIDE} | {
        "docs/README.md": "# Title\n\nWhat *it* is,\nin short.\n\n"
        "## Begin\n\n- [Do it](how-to/do.md): how it is done\n",
        "docs/how-to/do.md": "# Do it\n\n[home](../README.md) [why](../decisions/) [changes](../../CHANGELOG.md#new)\n"
        "[file](../../deploy/values.yaml) [out](https://example.org/) [here](#do-it)\n\n"
        "```sh\necho '[not](a-link.md)'\n```\n",
        "docs/decisions/0007-so.md": "# 7. So it is\n\nBecause [it is](../how-to/do.md#do-it).\n",
        "deploy/values.yaml": "a: 1\n",
    }
    for name, text in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_links_out_of_docs_lead_to_copies_beside_the_pages(repository: Path, tmp_path: Path) -> None:
    stage(repository, tmp_path / "source")
    page = (tmp_path / "source" / "how-to" / "do.md").read_text()
    assert "[home](../index.md) [why](../decisions/index.md) [changes](../repository/CHANGELOG.md#new)" in page
    assert "[file](../repository/deploy/values.yaml) [out](https://example.org/) [here](#do-it)" in page
    assert "echo '[not](a-link.md)'" in page
    assert (tmp_path / "source" / "repository" / "deploy" / "values.yaml").read_text() == "a: 1\n"


@pytest.mark.parametrize("target", ["gone.md", "../../../elsewhere.md", "../how-to/", "../../deploy/gone.yaml#a"])
def test_a_link_to_what_is_not_there_stops_the_build(repository: Path, tmp_path: Path, target: str) -> None:
    (repository / "docs" / "how-to" / "do.md").write_text(f"# Do it\n\n[x]({target})\n")
    with pytest.raises(LinkFaultError, match=re.escape(f"docs/how-to/do.md: {target}")):
        stage(repository, tmp_path / "source")


def test_the_navigation_is_what_the_front_page_lists(repository: Path, tmp_path: Path) -> None:
    stage(repository, tmp_path / "source")
    front = (tmp_path / "source" / "index.md").read_text()
    assert "```{toctree}\n:caption: Begin\n:hidden:\n\nDo it <how-to/do>\n```" in front


def test_decisions_are_listed_by_their_headings(repository: Path, tmp_path: Path) -> None:
    stage(repository, tmp_path / "source")
    assert "- 7: [So it is](0007-so.md)\n" in (tmp_path / "source" / "decisions" / "index.md").read_text()


def test_llms_txt_names_each_page_and_what_it_is_for(repository: Path, tmp_path: Path) -> None:
    stage(repository, tmp_path / "source")
    text = (tmp_path / "source" / "llms.txt").read_text()
    assert text.startswith("# Title\n\n> What it is, in short.\n")
    assert "## Begin\n\n- [Do it](_sources/how-to/do.md): how it is done\n" in text
    assert "# Do it" in (tmp_path / "source" / "llms-full.txt").read_text()


def test_every_page_is_in_the_navigation() -> None:
    front = (ROOT / "docs" / "README.md").read_text()
    listed = {(ROOT / "docs" / entry.page).resolve() for entries in navigation(front).values() for entry in entries}
    decisions = PurePosixPath("docs/decisions")
    wanted = {ROOT / page for page in pages(ROOT) if not page.is_relative_to(decisions)} - {ROOT / "docs" / "README.md"}
    assert wanted - listed == set()


def test_the_repositorys_own_pages_can_be_staged(tmp_path: Path) -> None:
    stage(ROOT, tmp_path)
    assert all((tmp_path / staged(page)).is_file() for page in pages(ROOT))
