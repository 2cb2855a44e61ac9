"""A wrong word on the command line is told by the command that it was given to."""

from __future__ import annotations

import pytest

from env.cli.main import main as env_main
from images.cli.main import main as images_main


@pytest.mark.parametrize(
    ("words", "usage", "told"),
    [
        (["build", "--wrong"], "usage: ./noxw -s build-image -- [-h] [--recipe DIR | --from PROJECT]", "--wrong"),
        (["build", "--enviroment=x"], "usage: ./noxw -s build-image --", "did you mean --environment?"),
        (["build", "jupyter", "more"], "usage: ./noxw -s build-image --", "more (--help lists what there is)"),
        (["check", "--tokn-file", "x"], "usage: ./noxw -s test-image --", "did you mean --token-file?"),
        (["--wrong", "build"], "usage: ./noxw -s images --", "--wrong"),
    ],
)
def test_unknown_words_are_told_with_the_usage_of_their_command(
    words: list[str], usage: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        images_main(words)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(usage)
    assert told in said.splitlines()[-1]


def test_a_command_of_a_command_says_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        env_main(["store", "check", "--wrong"])
    assert capsys.readouterr().err.startswith("usage: ./noxw -s store -- check [-h] [--store DIR] [--json] [--repair]")
