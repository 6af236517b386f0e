"""docs/configuration.md and the schemas are those of the models, and shipped files keep to the schemas."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gantry.plan import reference
from gantry.plan.blocks.players import Optimiser
from gantry.plan.configuration import Config

REMEDY = "run `uv run gantry reference`"


def test_the_page_and_the_schemas_are_the_models(repository: Path, tmp_path: Path) -> None:
    reference.write_reference(tmp_path / "configuration.md", tmp_path / "schemas")
    for name in ("configuration.md", *(f"schemas/{name}.json" for name in reference.SCHEMAS)):
        assert (repository / "docs" / name).read_text() == (tmp_path / name).read_text(), f"{name}: {REMEDY}"


def test_a_schema_has_a_line_a_key_so_that_changes_of_two_keys_do_not_conflict(tmp_path: Path) -> None:
    reference.write_reference(tmp_path / "configuration.md", tmp_path)
    for name in reference.SCHEMAS:
        lines = (tmp_path / f"{name}.json").read_text().splitlines()
        assert all(line.count('": ') <= 1 for line in lines), name
        assert json.loads("\n".join(lines)) == reference.schema(name)


def test_a_row_says_type_range_default_and_note() -> None:
    rows = reference.reference().splitlines()
    assert "| `runs_per_gpu` | whole number ≥ 1, ≤ 32 | `1` |  |" in rows
    assert "| `weight_decay` | number ≥ 0 | `0.0` | Added to the gradient, times the weights (L2). |" in rows
    assert "| `betas` | [number ≥ 0, < 1, number ≥ 0, < 1] | `[0.5, 0.9]` |  |" in rows
    assert reference.comments(Optimiser)["lr"].startswith("Of the phases that a method has")
    assert "workload" in reference.reference() and "`name: conditional`" in reference.reference()


@pytest.mark.parametrize("kind", ["scale", "experiment", "datasets", "config"])
def test_shipped_files_keep_to_the_schemas(repository: Path, kind: str) -> None:
    files = {
        "scale": "workflow/scales/*.yaml",
        "experiment": "workflow/experiments/*.yaml",
        "datasets": "workflow/datasets.yaml",
        "config": "config.yaml",
    }[kind]
    validator = jsonschema.Draft202012Validator(reference.schema(kind))
    found = sorted(repository.glob(files))
    assert found
    for path in found:
        errors = [
            f"{path.name}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
            for error in validator.iter_errors(yaml.safe_load(path.read_text()))
        ]
        assert not errors, "\n".join(errors[:5])


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": "quick", "sedes": [0]},
        {"scale": "quick", "seeds": "all"},
        {"recipes": {"bcgan": {"optimiser": {"lr_g": 0}}}},
        {"recipes": {"bcgan": {"batchsize": 3}}},
        {"recipes": {"bcgan": {"method": "condtional"}}},
    ],
)
def test_what_is_wrong_is_so_for_an_editor_too(wrong: dict[str, Any]) -> None:
    assert not jsonschema.Draft202012Validator(reference.schema("config")).is_valid(wrong)


def test_every_key_of_the_configuration_stands_there() -> None:
    page = reference.reference()
    assert all(f"| `{key}` |" in page for key in Config.model_fields)
