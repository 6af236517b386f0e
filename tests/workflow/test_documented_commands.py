"""Every command of the README and of docs works as written: at toy size, with paths replaced.

Snakemake's are dry runs, but for one; gantry's are run on what that has made.
"""

import re
from pathlib import Path

import pytest
from tests.workflow.checkout import SnakemakeServer
from tests.workflow.documented import NOT_RUN, PLACEHOLDERS, Command, ToyCheckout, commands
from tests.workflow.plans import REPOSITORY
from tests.workflow.steps import Gantry

from gantry import cli

COMMANDS = commands()
RUN = [command for command in COMMANDS if not command.reason]
LISTED = [command for command in COMMANDS if command.reason]
# What a dry run says where all is well.
USUAL = re.compile("of other settings or inputs|trainings are done already")
TABLE = "results/quick/bcgan/table5.csv"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory, snakemake: SnakemakeServer) -> ToyCheckout:
    """A checkout with one table made."""
    made = ToyCheckout(tmp_path_factory.mktemp("toy"), snakemake)
    done = made.snakemake(TABLE, scale="quick")
    assert done.code == 0, done.output
    return made


def test_there_are_commands() -> None:
    assert len(RUN) > 15
    assert {command.page for command in RUN} >= {"README.md", "clusters.md", "elsewhere.md"}
    assert {command.words[0] for command in RUN} == {"snakemake", "gantry"}, (
        "neither run nor listed in NOT_RUN"
    )


@pytest.mark.parametrize("command", RUN, ids=[f"{documented.page}: {documented.text}" for documented in RUN])
def test_it_works_as_written(
    command: Command, toy: ToyCheckout, gantry: Gantry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toy.folder)
    monkeypatch.setenv("HOME", str(toy.folder / "home"))
    program, *words = toy.made_toy(command)
    if program == "snakemake":
        if "faces" in command.text and "configfile" in command.text and not Path("home/faces").exists():
            gantry("new", "~/faces", "--images", str(toy.folder / "faces"))
        done = toy.server.run(toy.folder, *words)
        assert done.code == 0, f"{command.page}: {command.text}\n{done.output}"
        said = [line for line in done.output.splitlines() if line.startswith("gantry: ")]
        assert [line for line in said if not USUAL.search(line)] == []
        return
    if words[0] == "new" and Path("home/faces").exists():
        pytest.skip("done for the command that follows it")
    code, output = gantry(*(str(Path(word).expanduser()) if word.startswith("~") else word for word in words))
    assert code == 0, f"{command.page}: {command.text}\n{output}"


@pytest.mark.parametrize(
    "command", LISTED, ids=[f"{documented.page}: {documented.text}" for documented in LISTED]
)
def test_what_is_not_run_is_at_least_understood(command: Command) -> None:
    """By the parser, and by the file system where it names a file of the repository."""
    words = [word for word in re.sub(r"[…<>]", "", command.text).split()]
    for word in words:
        if re.fullmatch(r"(benchmarks|tests|profiles)/[\w/.]+", word):
            assert (REPOSITORY / word).exists(), f"{command.page}: {word}"
    if words[0] == "gantry" and not PLACEHOLDERS.search(command.text):
        parser, known = cli._parser()
        assert words[1] in known
        assert parser.parse_known_args(command.words[1:])[1] == []


def test_every_reason_is_of_some_command() -> None:
    texts = [command.text for command in COMMANDS]
    idle = [pattern for pattern in NOT_RUN if not any(re.search(pattern, text) for text in texts)]
    assert not idle, "no command needs these reasons"
