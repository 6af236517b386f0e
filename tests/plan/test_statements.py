"""What the shipped experiments say to readers, who may see any part of them alone."""

import re

import pytest
import yaml
from tests.shipped import REPOSITORY, shipped

from gantry.plan import load_plan
from gantry.plan.report_specs import report_spec
from gantry.report.specs import ReportSpec

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


@pytest.fixture(scope="module")
def specs() -> list[ReportSpec]:
    """All outputs of all papers, photographs being replaced by digits where digits can stand for them."""
    quick = yaml.safe_load((REPOSITORY / "workflow/scales/quick.yaml").read_text(encoding="utf-8"))
    proxies = quick["substitute"] | dict.fromkeys(("lsun_bedroom", "lsun_bridge", "svhn", "stl10"), "digits")
    papers = [path.stem for path in shipped("workflow/experiments")]
    plan = load_plan({"scale": "smoke", "papers": papers, "substitute": proxies}, quiet=True)
    return [ReportSpec.model_validate(report_spec(plan, paper, name)) for paper, name, _ in plan.outputs()]


def test_a_title_does_not_name_two_data_sets_as_if_they_were_one(specs: list[ReportSpec]) -> None:
    of_others = [spec.heading for spec in specs if spec.replaced]
    assert len(of_others) > 50
    assert [said for said in of_others if re.search(r"(CIFAR-10|CelebA|LSUN|SVHN).*, on ", said)] == []
    assert (
        "Test error over the number of labels, handwritten digits (scikit-learn), 300 held out, in place of CIFAR-10"
        in of_others
    )
