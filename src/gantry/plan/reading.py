"""YAML, read strictly: nothing is executed, no key is given twice, errors name the line."""

from pathlib import Path
from typing import Any

import yaml

from gantry.errors import UserError, suggestion

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
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, shown: str) -> dict[str, Any]:
    """Read one YAML file as a dictionary; `shown` is how errors name the file."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
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
