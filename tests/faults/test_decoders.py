"""No damage of any file that is read ends in a traceback, and each message names the file.

A sample of the damages; all of them with GANTRY_ALL_DAMAGES=1 (minutes), as in results/reference/faults/decoders.csv.
"""

import csv
import os
from pathlib import Path

import pytest
from tests.faults import decoders

SAMPLE = (
    "empty",
    "first 16 bytes",
    "cut in half",
    "end zeroed",
    "header of highest numbers",
    "noise",
    "bit 4/8",
)
CHOSEN = tuple(decoders.DAMAGES) if os.environ.get("GANTRY_ALL_DAMAGES") else SAMPLE
# Files without a header: of noise, too, every byte is a pixel.
RAW = ("STL-10's .bin",)


@pytest.mark.parametrize("decoder", decoders.DECODERS, ids=lambda decoder: decoder.name)
def test_every_damage_is_refused_by_name_or_harmless(decoder: decoders.Decoder, repository: Path) -> None:
    whole = decoder.content()
    assert decoders.tried(decoder, whole).code == 0
    damaged = {damage: decoders.DAMAGES[damage](whole) for damage in CHOSEN}
    found = {damage: decoders.tried(decoder, data) for damage, data in damaged.items() if data != whole}
    assert {damage: o for damage, o in found.items() if o.code == 1 or not o.names_file} == {}
    for damage in ("empty", "first 16 bytes", "noise"):
        assert found[damage].code == (0 if damage == "noise" and decoder.name in RAW else 2)
    assert not any(" at 0x" in outcome.message for outcome in found.values())
    with (repository / "results/reference/faults/decoders.csv").open(encoding="utf-8") as stream:
        published = {(row["decoder"], row["damage"]): int(row["exit_code"]) for row in csv.DictReader(stream)}
    assert {damage: published[decoder.name, damage] for damage in found} == {
        damage: outcome.code for damage, outcome in found.items()
    }
