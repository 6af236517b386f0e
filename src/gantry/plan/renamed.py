"""Keys that had another name in the version before: files may still say it, and the specs of runs always do.

A spec's digest names a run's folder, so a key that is renamed keeps its former name there, and no run moves.
"""

from collections.abc import Callable
from typing import Any

ANY = "*"
Path = tuple[str, ...]
# The end of a key's path by its former name, and what it is called now; one version long in users' files.
RENAMED: tuple[tuple[Path, str], ...] = (
    (("outputs", ANY, "kind"), "type"),
    (("objective", "outcomes"), "atoms"),
    (("terms", "verdict_agreement"), "logit_agreement"),
    (("terms", "schedules", "verdict_agreement"), "logit_agreement"),
)
FORMER = tuple(((*path[:-1], name), path[-1]) for path, name in RENAMED)


def renamed(text: Any, note: Callable[[str, str], None] = lambda key, name: None) -> Any:
    """Return a text with its keys by the names that they have now; `note` is told of each (key, its name)."""
    return _with_names(text, RENAMED, note, ())


def spelled_as_in_specs(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's settings with its keys by the names that they have in specs."""
    found: dict[str, Any] = _with_names(recipe, FORMER, lambda key, name: None, ())
    return found


def _with_names(
    text: Any, names: tuple[tuple[Path, str], ...], note: Callable[[str, str], None], path: Path
) -> Any:
    """Where both names are given, the former stays, and is refused as unknown."""
    if not isinstance(text, dict):
        return text
    found = {}
    for key, value in text.items():
        place = (*path, str(key))
        name = next((name for end, name in names if _ends_with(place, end)), key)
        if name != key and name in text:
            name = key
        if name != key:
            note(".".join(place), name)
        found[name] = _with_names(value, names, note, place)
    return found


def _ends_with(path: Path, end: Path) -> bool:
    return len(path) >= len(end) and all(
        wanted in (ANY, part) for part, wanted in zip(path[-len(end) :], end, strict=True)
    )
