"""Every key that a configuration, a scale, a data set, a workload and a recipe may have, as a page of Markdown."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gantry.plan.configuration import Config, Experiment, Output, Scale
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe, Workload

PAGES: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("config.yaml", Config, "Also after `--config` on the command line."),
    ("A scale", Scale, "`workflow/scales/<name>.yaml`."),
    ("A data set", DatasetSpec, "A block of `workflow/datasets.yaml`, or under `datasets` in config.yaml."),
    ("A paper", Experiment, "`workflow/experiments/<name>.yaml`."),
    ("An output of a paper", Output, "A block under `outputs`."),
    ("A workload", Workload, "A block under `workloads`: how long, how large, what is scored."),
    ("A recipe", Recipe, "A block under `recipes`: what is trained."),
)


def reference() -> str:
    """Return the page: a section for each block, then one for each block inside of a recipe."""
    lines = [
        "# Every key",
        "",
        "Made of the models that check them. An unknown key is refused, with the nearest known one.",
    ]
    inner: dict[str, type[BaseModel]] = {}
    for title, model, about in PAGES:
        lines += ["", f"## {title}", "", about, "", *_table(model)]
        for field in model.model_fields.values():
            inner |= {each.__name__: each for each in _models_in(field.annotation)}
    pending = [each for each in inner.values() if each not in {model for _, model, _ in PAGES}]
    seen: set[type[BaseModel]] = set()
    while pending:
        model = pending.pop(0)
        if model in seen:
            continue
        seen.add(model)
        lines += ["", f"## {model.__name__}", "", *_about(model), *_table(model)]
        for field in model.model_fields.values():
            pending += [each for each in _models_in(field.annotation) if each not in seen]
    return "\n".join(lines) + "\n"


def _table(model: type[BaseModel]) -> Iterator[str]:
    yield from ("| key | default | kind |", "|---|---|---|")
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {_default(field)} | `{_kind(field.annotation)}` |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True) if not field.default_factory else PydanticUndefined
    if value is PydanticUndefined or isinstance(value, BaseModel):
        return "its own defaults"
    return f"`{value!r}`" if value is not None else "none"


def _kind(annotation: Any) -> str:
    """The type as people read it: without modules, and without what only pydantic needs."""
    text = re.sub(r"typing\.|gantry(?:\.\w+)*\.|<class '|'>|pathlib\._local\.|pathlib\.", "", str(annotation))
    text = re.sub(r"Annotated\[([^,\[\]]+(?:\[[^\]]*\])?),.*?\](?=[,\]|]|$)", r"\1", text)
    return text.replace("|", "or").replace("\n", " ")[:120]


def _about(model: type[BaseModel]) -> list[str]:
    text = (model.__doc__ or "").strip().partition("\n\n")[0]
    return [" ".join(text.split()), ""] if text else []


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in getattr(annotation, "__args__", ()):
        yield from _models_in(each)
