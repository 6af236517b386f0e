"""Data sets that are not on this machine, and how to get them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Missing:
    """A data set that the plan needs and that is not on this machine."""

    name: str
    title: str
    looked_in: Path
    looked_for: tuple[str, ...]
    acquisition: str

    def __str__(self) -> str:
        wanted = " or ".join(self.looked_for) or "the folder itself"
        how = "\n".join(f"    {line}" for line in self.acquisition.strip().splitlines())
        return (
            f"data set {self.name} ({self.title}) is missing: looked for {wanted} in {self.looked_in}\n{how}\n"
            f'    Lies elsewhere? --config \'datasets={{"{self.name}": {{"path": "/your/folder"}}}}\''
        )


def is_present(place: Path, looks_for: tuple[str, ...]) -> bool:
    """Whether one of the names lies in `place`; an array or archive may itself be the path."""
    if not looks_for or place.is_file():
        return place.exists()
    return any((place / name).exists() for name in looks_for)
