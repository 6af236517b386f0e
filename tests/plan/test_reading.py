"""YAML is read strictly."""

from pathlib import Path
from typing import Any

import pytest

from gantry.errors import UserError
from gantry.plan.configuration import Config
from gantry.plan.layering import with_settings
from gantry.plan.problems import Problems
from gantry.plan.reading import read_yaml


def read(path: Path, text: str | bytes) -> object:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path, "some.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "some.yaml: line 3: not valid YAML: key 'a' given twice"),
        ("a:\n  b: 1\n  b: 2\n", "some.yaml: line 3: not valid YAML: key 'b' given twice"),
        ("a: [1, 2\n", "some.yaml: line 2: not valid YAML"),
        ("- a\n- b\n", "some.yaml: should be a mapping of keys to values, not a list"),
        ("just words\n", "some.yaml: should be a mapping of keys to values, not a str"),
        ("? [a, b]\n: 1\n", "some.yaml: line 1: not valid YAML: a key should be a word"),
        ("a: !!python/object/apply:os.getcwd []\n", "some.yaml: line 1: not valid YAML"),
        (b"a: \xff\xfe\n", "some.yaml: cannot be read"),
        (
            "a: 1\nno: 2\n",
            "some.yaml: line 2: not valid YAML: key no is taken for False, no word; quote it: 'no'",
        ),
        ("2024-01-01: 2\n", "some.yaml: line 1: not valid YAML: key 2024-01-01 is taken for datetime.date"),
        ("a: [010]\n", "some.yaml: line 1: not valid YAML: 010 means 8 in YAML; quote it, or write 8"),
        ("a: 1:30\n", "some.yaml: line 1: not valid YAML: 1:30 means 90 in YAML; quote it, or write 90"),
    ],
)
def test_bad_yaml_names_the_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path / "file.yaml", text)
    assert str(caught.value).startswith(message)


def test_a_key_may_override_a_merged_one(tmp_path: Path) -> None:
    text = "base: &base {a: 1, b: 2}\nchild: &child\n  <<: *base\n  b: 3\ngrandchild:\n  <<: *child\n  a: 4\n"
    found = read(tmp_path / "file.yaml", text)
    assert found == {"base": {"a": 1, "b": 2}, "child": {"a": 1, "b": 3}, "grandchild": {"a": 4, "b": 3}}


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "file.yaml", "# only a comment\n") == {}


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path, "some.yaml")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"data": False},
            r"config: data: .*given: False.*; YAML takes yes, no, on and off for true and false; quote it",
        ),
        ({"results": 2024}, r"config: results: .*\(given: 2024\); quote it"),
        ({"papers": [True]}, r"config: papers\.0: .*quote it"),
        ({"device": False}, r"config: device: .*quote it"),
    ],
)
def test_words_that_yaml_takes_for_others_are_to_be_quoted(given: dict[str, Any], said: str) -> None:
    problems = Problems()
    assert problems.validated(Config, given, "config") is None
    with pytest.raises(UserError, match=said):
        problems.raise_if_any()


def test_settings_are_read_as_strictly_as_files() -> None:
    with pytest.raises(UserError, match=r"'seeds=\[010\]': the value is not YAML \(010 means 8 in YAML"):
        with_settings({}, ["seeds=[010]"])
