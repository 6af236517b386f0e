"""Fixtures: Snakemake, the tests' own paper made by it, and a folder in which single steps are called."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workflow.checkout import Sketch, SnakemakeServer
from tests.workflow.steps import Gantry, in_copy_of, train_arguments, working_in

from gantry.cli import run


@pytest.fixture(scope="session")
def snakemake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnakemakeServer]:
    """Snakemake, for all tests of this folder."""
    server = SnakemakeServer(tmp_path_factory.mktemp("snakemake_server"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def sketch(tmp_path_factory: pytest.TempPathFactory, snakemake: SnakemakeServer) -> Sketch:
    """The whole paper, made once; tests that make anything more take `spoilt`."""
    made = Sketch(tmp_path_factory.mktemp("sketch"), snakemake)
    made.said = made.make_quietly()
    assert made.said.code == 0, made.said.output
    return made


@pytest.fixture
def spoilt(sketch: Sketch, tmp_path: Path) -> Sketch:
    """A copy of it, with Snakemake's memory, to be changed."""
    return sketch.moved_to(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a prepared set and one recorded segment of a run, trained by the command line."""
    folder = tmp_path_factory.mktemp("made")
    with working_in(folder):
        assert run(train_arguments()) == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it, to be spoilt, as the working directory."""
    with in_copy_of(made, tmp_path / "copy") as copy:
        yield copy


@pytest.fixture
def gantry(capfd: pytest.CaptureFixture[str]) -> Gantry:
    """Run one command in this process: its exit code and everything it printed."""

    def call(*arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        code = run(list(arguments))
        caught = capfd.readouterr()
        return code, caught.out + caught.err

    return call
