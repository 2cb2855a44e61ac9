"""Where Debian's archive is: the variables, else apt's own sources in each of their forms, with no list downloaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from env.errors import NoArchiveError
from env.index.archives import VARIABLES, archive_root

ONE_LINE = """
deb cdrom:[Debian]/ trixie main
# deb http://commented.example/debian trixie main
deb [arch=amd64 signed-by=/key.gpg] http://one-line.example/debian/ trixie main
deb http://one-line.example/debian-security trixie-security main
"""
DEB822 = """
Types: deb
URIs: https://deb822.example/deep/debian/
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://deb822.example/debian-security
Suites: trixie-security
Components: main
"""
MIRRORS = "# a comment\n\nhttps://listed.example/debian\tpriority:1\nhttps://other.example/debian\n"


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose apt has downloaded nothing; gives the folder of its sources."""
    if shutil.which("apt-get") is None:
        pytest.skip("this host has no apt")
    for name in ("etc/sources.list.d", "etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache"):
        (tmp_path / name).mkdir(parents=True)
    configuration = f'Dir::Etc "{tmp_path}/etc"; Dir::State "{tmp_path}/state"; Dir::Cache "{tmp_path}/cache";'
    (tmp_path / "apt.conf").write_text(configuration)
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "etc"


def test_one_line_sources_are_read(apt: Path) -> None:
    (apt / "sources.list").write_text(ONE_LINE)
    assert archive_root("debian") == "http://one-line.example/debian"
    assert archive_root("debian-security") == "http://one-line.example/debian-security"


def test_deb822_sources_are_read(apt: Path) -> None:
    (apt / "sources.list.d" / "debian.sources").write_text(DEB822)
    assert archive_root("debian") == "https://deb822.example/deep/debian"
    assert archive_root("debian-security") == "https://deb822.example/debian-security"


@pytest.mark.parametrize("slashes", ["", "//"])
def test_a_file_of_mirrors_gives_its_first(apt: Path, slashes: str) -> None:
    # As Debian's images for clouds are configured.
    (apt / "mirrors" / "debian.list").parent.mkdir()
    (apt / "mirrors" / "debian.list").write_text(MIRRORS)
    (apt / "sources.list").write_text(f"deb mirror+file:{slashes}{apt}/mirrors/debian.list trixie main\n")
    assert archive_root("debian") == "https://listed.example/debian"


def test_a_file_of_mirrors_that_is_gone_names_none(apt: Path) -> None:
    (apt / "sources.list").write_text("deb mirror+file:/nowhere/debian.list trixie main\n")
    with pytest.raises(NoArchiveError):
        archive_root("debian")


def test_a_variable_counts_more_than_apt(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (apt / "sources.list").write_text(ONE_LINE)
    monkeypatch.setenv("DEBIAN_MIRROR", "https://variable.example/debian/")
    assert archive_root("debian") == "https://variable.example/debian"


@pytest.mark.parametrize("sources", ["", "deb http://ubuntu.example/ubuntu noble main\n", "nonsense\n"])
def test_other_sources_say_which_variable_helps(apt: Path, sources: str) -> None:
    (apt / "sources.list").write_text(sources)
    with pytest.raises(NoArchiveError, match="set DEBIAN_SECURITY_MIRROR"):
        archive_root("debian-security")


def test_a_host_without_apt_says_which_variable_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEBIAN_MIRROR", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoArchiveError, match="set DEBIAN_MIRROR"):
        archive_root("debian")
