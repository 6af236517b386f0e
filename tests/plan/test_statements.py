"""What the shipped experiments say to readers, who may see any part of them alone."""

import re

import pytest
import yaml
from tests.shipped import shipped

# Words that lean on a sentence before: with only_recipes or only_datasets that one may be gone.
LEANS = re.compile(r"(So|And|Nor|But|Its?|They|Their|The same|Likewise|Neither)\b|…")
STATEMENTS = [
    (path.stem, claim["statement"])
    for path in shipped("workflow/experiments")
    for output in yaml.safe_load(path.read_text(encoding="utf-8"))["outputs"].values()
    for claim in output.get("options", {}).get("claims", ())
]


def test_there_are_claims_to_read() -> None:
    assert len(STATEMENTS) > 200


@pytest.mark.parametrize("paper", sorted({paper for paper, _ in STATEMENTS}))
def test_a_claim_can_be_read_without_the_one_before(paper: str) -> None:
    assert [said for of, said in STATEMENTS if of == paper and LEANS.match(said)] == []


@pytest.mark.parametrize("said", ["The same of digits.", "… and keep the other.", "So are AC-GAN's."])
def test_one_that_leans_is_found(said: str) -> None:
    assert LEANS.match(said)
