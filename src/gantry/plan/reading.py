"""YAML, read strictly: nothing is executed, no key is given twice, errors name the line."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from gantry.errors import UserError, suggestion

OCTAL_OR_TIME = re.compile(r"[-+]?(0[0-9_]+|[0-9_]+(:[0-9_]+)+)")
# The same loader in C is ten times faster; some builds of PyYAML lack it.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_SafeLoader):
    """YAML that refuses a key given twice, where PyYAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key should be a word", key_node.start_mark
                )
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, bool | date | None):
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"key {key_node.value} is taken for {key!r}, no word; quote it: '{key_node.value}'",
                    key_node.start_mark,
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _plain_number(loader: Any, node: yaml.ScalarNode) -> int:
    """Refuse 010, which YAML takes for 8, and 1:30, which it takes for 90."""
    value = int(loader.construct_yaml_int(node))
    if OCTAL_OR_TIME.fullmatch(node.value):
        raise yaml.constructor.ConstructorError(
            None, None, f"{node.value} means {value} in YAML; quote it, or write {value}", node.start_mark
        )
    return value


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _plain_number)


def parse_yaml(text: str) -> Any:
    """Return what a text in YAML says, read as strictly as the files; raises yaml.YAMLError."""
    return yaml.load(text, _StrictLoader)


_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _PlainDumper(_SafeDumper):
    """YAML without references: what is there twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump_yaml(content: Any) -> str:
    """Return YAML that `load_yaml` reads as it was: the order of keys, and numbers as keys, included."""
    return str(yaml.dump(content, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=1 << 16))


def show_yaml(content: dict[str, Any]) -> str:
    """Return a mapping as YAML for people to read and edit: blocks that hold no further blocks stand on one line."""
    holds_blocks = any(isinstance(value, dict | list) for value in content.values())
    return str(
        yaml.dump(
            content,
            Dumper=_PlainDumper,
            sort_keys=False,
            allow_unicode=True,
            width=100,
            default_flow_style=None if holds_blocks else False,
        )
    )


def load_yaml(text: str) -> Any:
    """Read what `dump_yaml` wrote."""
    return yaml.load(text, _SafeLoader)


def read_yaml(path: Path, shown: str) -> dict[str, Any]:
    """Read one YAML file as a dictionary; `shown` is how errors name the file."""
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise UserError(
            f"{shown}: no such file{suggestion(path.stem, known)}; there are: {', '.join(known) or 'none'}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{shown}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise UserError(f"{shown}: {line}not valid YAML: {getattr(error, 'problem', error)}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{shown}: should be a mapping of keys to values, not a {type(content).__name__}")
    return content
