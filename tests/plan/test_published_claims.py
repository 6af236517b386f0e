"""What claims say was published stands in the published files: no number was typed from memory."""

import re
from pathlib import Path

import pytest

from gantry.plan.output_types.claims import Claim, ClaimsOptions
from gantry.plan.reading import read_yaml

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"\d+\.\d\d")


def printed(paper: str) -> set[str]:
    """Every number with two decimals of the paper's files."""
    files = (ROOT / "workflow/published").glob(f"{paper.partition('_')[0]}_*.csv")
    return {number for file in files for number in NUMBER.findall(file.read_text())}


def texts(claim: Claim) -> list[str]:
    """What a claim says was published, row by row."""
    each = [
        text
        for found in claim.each.values()
        for text in ([found] if isinstance(found, str) else found.values())
    ]
    return [claim.published, *each, *claim.at.values(), *claim.baselines.values()]


@pytest.mark.parametrize("paper", ["bcgan", "bcgan_small", "edgan"])
def test_published_numbers_are_those_of_the_files(paper):
    experiment = read_yaml(ROOT / f"workflow/experiments/{paper}.yaml", paper)
    known, checked = printed(paper), 0
    for output in experiment["outputs"].values():
        if output["type"] != "claims":
            continue
        for claim in ClaimsOptions.model_validate(output["options"]).claims:
            for text in texts(claim):
                stated, _, quotient = text.partition("=")
                # −0.76 is a difference that the paper's text gives, 22.59 to 21.83.
                numbers = NUMBER.findall(stated) if not stated.startswith("−") else []
                assert set(numbers) <= known, f"{paper}, {claim.name}: {text}"
                checked += len(numbers)
                if quotient and not stated.startswith("40,000"):
                    above, below = map(float, numbers)
                    assert float(quotient) == pytest.approx(above / below, abs=0.005), f"{claim.name}: {text}"
    assert checked > (10 if paper == "bcgan_small" else 60)
