"""Records a terminal: a small paper is made, changed, and changed back, and each time only what depends on it is made.

    python tests/faults/recording.py FOLDER

Runs the commands for real, in a checkout of its own with the tests' own paper of points, and writes what they print
with its times: FOLDER/partial_rerun.cast (asciicast v2, for any player), .svg and .txt.
"""

import html
import json
import os
import pty
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import yaml

# Run as a script: `tests` is no package then.
from fault_injection import REPOSITORY, TESTS, paper_of_points

COLUMNS, ROWS = 100, 40
LONGEST_PAUSE = 2.0  # seconds that a player waits at most
SETTINGS = {
    "scale": "workflow/scales/tiny.yaml",
    "papers": ["sketch"],
    "datasets": {"mixture": {"images": 1000, "options": {"count": 1000}}},
}
PAPER = "workflow/experiments/sketch.yaml"
COMMANDS = [
    "# everything: two runs, their scores, a table, two figures, claims, the page",
    "snakemake --cores 1 --quiet all && gantry status",
    "snakemake --dry-run --quiet host rules  # nothing has changed",
    "# another weight in one recipe",
    f"sed -i 's/sample_spread: 0.1/sample_spread: 0.3/' {PAPER}",
    "snakemake --dry-run --quiet host rules",
    "snakemake --cores 1 --quiet all",
    "# and back: the earlier results are there",
    f"sed -i 's/sample_spread: 0.3/sample_spread: 0.1/' {PAPER}",
    "snakemake --dry-run --quiet host rules",
    "# another title",
    f"sed -i 's/title: Modes/title: Modes that were found/' {PAPER}",
    "snakemake --dry-run --quiet host rules",
]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


class Recording:
    """What a terminal showed, and when: seconds since the first, text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.began = time.monotonic()
        self.events: list[tuple[float, str]] = []

    def show(self, text: str) -> None:
        """Note that this appears now; the folder's name is the machine's own, and is left out."""
        self.events.append((time.monotonic() - self.began, text.replace(str(self.folder), ".")))

    def run(self, command: str) -> None:
        """Type a command and let the shell run it in a terminal."""
        self.show(f"$ {command}\r\n")
        if command.startswith("#"):
            return
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder)
            os.environ |= {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "COLUMNS": str(COLUMNS), "LINES": str(ROWS), "TERM": "dumb", "NO_COLOR": "1",
            }  # fmt: skip
            os.execvp("bash", ["bash", "-c", command])
        while True:
            try:
                content = os.read(terminal, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not content:
                break
            self.show(content.decode(errors="replace"))
        _, status = os.waitpid(child, 0)
        assert status == 0, f"{command}: {status}\n{self.text()}"

    def text(self) -> str:
        """All of it as lines, where a line that was written over shows its end."""
        whole = ESCAPES.sub("", "".join(text for _, text in self.events)).replace("\r\n", "\n")
        return "\n".join(line.rpartition("\r")[2].rstrip() for line in whole.split("\n")).rstrip() + "\n"

    def cast(self) -> str:
        """The recording as asciicast v2."""
        head = {"version": 2, "width": COLUMNS, "height": ROWS, "idle_time_limit": LONGEST_PAUSE}
        lines = [json.dumps(head | {"title": "A partial rerun"})]
        lines += [json.dumps([round(when, 3), "o", text], ensure_ascii=False) for when, text in self.events]
        return "\n".join(lines) + "\n"

    def svg(self) -> str:
        """The whole text as one picture."""
        lines = [part for line in self.text().splitlines() for part in _wrapped(line)]
        height, width = 18, 8.4
        rows = "\n".join(
            f'<text x="12" y="{20 + height * number}" xml:space="preserve"'
            f' fill="{"#7ee787" if line.startswith("$") else "#e6edf3"}">{html.escape(line)}</text>'
            for number, line in enumerate(lines)
        )
        across = round(24 + width * max(len(line) for line in lines))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{across}" height="{24 + height * len(lines)}"'
            ' font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">\n'
            f'<rect width="100%" height="100%" fill="#0d1117"/>\n{rows}\n</svg>\n'
        )


def _wrapped(line: str) -> list[str]:
    """A line as a terminal of this width breaks it."""
    return [line[start : start + COLUMNS] for start in range(0, max(len(line), 1), COLUMNS)]


def main() -> None:
    """Record into the folder that the command line names."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gantry-") as name:
        folder = Path(name).resolve()
        shutil.copy(REPOSITORY / "Snakefile", folder)
        for tree in ("workflow", "profiles"):
            shutil.copytree(REPOSITORY / tree, folder / tree)
        shutil.copy(TESTS / "tiny.yaml", folder / "workflow/scales")
        (folder / PAPER).write_text(paper_of_points())
        (folder / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
        recording = Recording(folder)
        for command in COMMANDS:
            recording.run(command)
    for suffix, content in (("cast", recording.cast()), ("svg", recording.svg()), ("txt", recording.text())):
        (out / f"partial_rerun.{suffix}").write_text(content, encoding="utf-8")
    print(recording.text())


if __name__ == "__main__":
    main()
