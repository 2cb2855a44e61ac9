"""pixi.toml and pixi's configuration, as far as they are read here."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.errors import SpecError
from env.formats.manifest import read_manifest
from env.index.mirrors import bases
from env.spec import DebianSpec, Tree, debian_spec

HEAD = '[workspace]\nname = "a"\nchannels = ["conda-forge"]\nplatforms = ["linux-64", "linux-aarch64"]\n'
CHANNEL = "https://conda.anaconda.org/conda-forge/"


def manifest(folder: Path, text: str) -> Path:
    (folder / "pixi.toml").write_text(HEAD + text)
    return folder


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's pixi configuration."""
    monkeypatch.setenv("PIXI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home" / "config.toml"


def test_features_and_targets_make_an_environments_specs(tmp_path: Path) -> None:
    folder = manifest(
        tmp_path,
        '[dependencies]\npython = "3.13.*"\n'
        '[feature.x.dependencies]\nnumpy = { version = ">=2", build = "py313*" }\n'
        '[feature.x.target.linux-64.dependencies]\nmkl = "*"\n[environments]\nx = ["x"]\n'
        'bare = { features = ["x"], no-default-feature = true }\n',
    )
    found = read_manifest(Tree(folder))
    specs = {one.name: one.specs for one in found.environments}
    assert specs["x"]["linux-64"] == ("mkl", "numpy >=2 py313*", "python 3.13.*")
    assert specs["x"]["linux-aarch64"] == ("numpy >=2 py313*", "python 3.13.*")
    assert specs["bare"]["linux-aarch64"] == ("numpy >=2 py313*",)
    assert found.channels == (CHANNEL,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[pypi-dependencies]\nfastmcp = "*"\n', "overlay group"),
        ('[feature.x.pypi-dependencies]\nfastmcp = "*"\n', "overlay group"),
        ('[environments]\nx = ["missing"]\n', "'missing'"),
        ('[dependencies]\nmine = { path = "." }\n', "mine"),
        ('[dependencies]\njupyter_mcp = "*"\n', "somebody else's package"),
        ('[constraints]\nnumpy = "<2"\n', "constraints"),
        ('[feature.x.system-requirements]\nlinux = "5"\n[environments]\nx = ["x"]\n', "system-requirements"),
    ],
)
def test_what_can_not_be_locked_here_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        read_manifest(Tree(manifest(tmp_path, text)))


def test_a_platform_that_no_image_is_made_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pixi.toml").write_text(HEAD.replace("linux-aarch64", "win-64"))
    with pytest.raises(SpecError, match="linux-aarch64"):
        read_manifest(Tree(tmp_path))


def test_without_mirrors_a_channel_is_its_own_address(config: Path, tmp_path: Path) -> None:
    assert not config.exists()
    assert bases(CHANNEL, tmp_path) == [CHANNEL]


def test_mirrors_are_pixis_and_the_longest_start_counts(config: Path, tmp_path: Path) -> None:
    config.write_text(
        "[mirrors]\n"
        '"https://conda.anaconda.org" = ["http://all.example/conda/"]\n'
        '"https://conda.anaconda.org/conda-forge" = ["http://one.example/cf", "oci://ghcr.example/cf", "https://two.example"]\n'
    )
    assert bases(CHANNEL, tmp_path) == ["http://one.example/cf/", "https://two.example/"]
    assert bases("https://conda.anaconda.org/bioconda/", tmp_path) == ["http://all.example/conda/bioconda/"]


def test_the_checkouts_configuration_counts_more_than_the_users(config: Path, tmp_path: Path) -> None:
    config.write_text('[mirrors]\n"https://conda.anaconda.org" = ["http://user.example"]\n')
    (tmp_path / ".pixi").mkdir()
    (tmp_path / ".pixi/config.toml").write_text('[mirrors]\n"https://conda.anaconda.org" = ["http://own.example"]\n')
    assert bases(CHANNEL, tmp_path)[0] == "http://own.example/conda-forge/"


def test_a_configuration_that_is_not_toml_is_told(config: Path, tmp_path: Path) -> None:
    config.write_text("[mirrors\n")
    with pytest.raises(SpecError, match=r"config\.toml"):
        bases(CHANNEL, tmp_path)


def test_the_base_below_conda_is_debians_without_what_conda_brings() -> None:
    whole, below = debian_spec("debian", Tree()), debian_spec("debian-conda", Tree())
    assert isinstance(below, DebianSpec)
    assert set(whole.packages) - set(below.packages) == {"git", "libgomp1", "python3.13"}
    assert (below.suite, below.omit) == (whole.suite, whole.omit)
