"""A checkout of its own, in which Snakemake runs for real."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
TINY = HERE / "tiny.yaml"


@dataclass(frozen=True)
class Done:
    """How a run of Snakemake ended."""

    code: int
    seconds: float
    output: str

    @property
    def jobs(self) -> set[tuple[str, str]]:
        """(rule, its first output) of every job that the output announces."""
        announced = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", self.output, re.MULTILINE)
        return {
            (rule, found[1])
            for rule, body in announced
            if (found := re.search(r"^    output: ([^,\n]+)", body, re.MULTILINE))
        }

    def outputs(self, rule: str) -> set[str]:
        """The first outputs of the jobs of one rule."""
        return {output for name, output in self.jobs if name == rule}


class Snakes:
    """Snakemake, imported once."""

    def __init__(self, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.log = folder / "snakemake.log"
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "snakes.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def run(self, folder: Path, *arguments: str) -> Done:
        """Run `snakemake ARGUMENTS` in `folder`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"arguments": arguments, "folder": str(folder), "output": str(self.log)}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        return Done(answer["code"], answer["seconds"], self.log.read_text(encoding="utf-8"))

    def close(self) -> None:
        """End the process that waits for commands."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)


class Checkout:
    """A folder with the files of the repository that Snakemake reads, and its results."""

    def __init__(self, folder: Path, snakes: Snakes) -> None:
        self.folder = folder
        self.snakes = snakes
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(REPOSITORY / name, folder)
        for name in ("workflow", "profiles"):
            shutil.copytree(REPOSITORY / name, folder / name)

    def snakemake(self, *arguments: str, **config: Any) -> Done:
        """Run Snakemake with targets and options, and `config` as after --config."""
        settings = [
            f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in config.items()
        ]
        return self.snakes.run(self.folder, *arguments, "--config", *settings)


@pytest.fixture(scope="session")
def snakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snakes]:
    """Snakemake, for all tests of this folder."""
    server = Snakes(tmp_path_factory.mktemp("snakes"))
    yield server
    server.close()
