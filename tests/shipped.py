"""The files that belong to the repository; one of a user's own beside them is nobody else's business."""

import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def shipped(folder: str, root: Path = REPOSITORY) -> list[Path]:
    """The YAML files in `folder` that git knows, sorted; all of them outside of git."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--", f"{folder}/*.yaml"], capture_output=True, text=True
    )
    files = [root / name for name in listed.stdout.split("\0") if name]
    return sorted(path for path in files or root.glob(f"{folder}/*.yaml") if path.is_file())
