"""What a user meant who typed a target that Snakemake does not understand, in one line in place of Snakemake's own."""

import re
from collections.abc import Callable, Iterable, Iterator

# Options of Snakemake that take every word after them for theirs, up to the next option.
GREEDY = {"--config": "settings", "-C": "settings", "--resources": "resources", "--res": "resources"}
MISSING_RULE = re.compile(r"No rule to produce (\S+) \(if you use input")

_explain: list[Callable[[str], str]] = []


def explain_targets(explain: Callable[[str], str]) -> None:
    """Have `explain` say what is wrong with a target that no rule makes; the workflow calls this with its plan."""
    _explain[:] = [explain]


def unknown_target(text: str) -> str | None:
    """Return what to print in place of Snakemake's error, if it is that no rule makes a target."""
    found = MISSING_RULE.search(text)
    return f"gantry: {_explain[0](found[1])}" if found and _explain else None


def misplaced(words: Iterable[str]) -> str | None:
    """Return what to say of a command line whose target stands where Snakemake takes it for something else."""
    for option, word in _taken(words):
        if "=" not in word and set(word) & set('[]{}",'):
            return f"gantry: {word}: a piece of a setting that the shell has cut; quote it: {option} 'seeds=[0, 1]'"
        if "=" not in word:
            return (
                f"gantry: {word}: stands after {option}, which takes it for one of its {GREEDY[option]} (key=value); a "
                f"target stands first: snakemake {word} {option} …"
            )
    return None


def _taken(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(option, word) of each word that belongs to one of the greedy options."""
    option = ""
    for word in words:
        if word.startswith("-"):
            option = word if word in GREEDY else ""
        elif option:
            yield option, word
