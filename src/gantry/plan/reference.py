"""Every key of the configuration, as the models have it: docs/configuration.md, and JSON Schemas for editors."""

import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gantry.files import write_json, write_text
from gantry.plan.blocks.networks import Networks
from gantry.plan.blocks.objectives import Objective
from gantry.plan.blocks.players import Latent, Optimiser, Updates
from gantry.plan.blocks.terms import Terms
from gantry.plan.configuration import Config, Experiment, Scale
from gantry.plan.dataset import DatasetSpec
from gantry.plan.layering import ON_SOURCES
from gantry.plan.methods.base import options_of, shipped_methods
from gantry.plan.output_types import OUTPUT_TYPES
from gantry.plan.recipe import Recipe, Workload
from gantry.plan.renamed import RENAMED

HEAD = """\
# Every key

Made by `uv run gantry reference` from the models that check what you write; a test compares. Read a table so: the key,
what it may be, its default (“–”: it must be given), and what is to be said of it. A recipe's blocks start afresh where
their `family` or `name` changes. Editors that know JSON Schema complete and check these files by
those in `docs/schemas`: `# yaml-language-server: $schema=../../docs/schemas/experiment.json` as the first line of one.
"""
SCHEMAS = ("config", "scale", "experiment", "datasets")
Models = Sequence[tuple[str, type[BaseModel]]]


def write_reference(text: Path, schemas: Path) -> None:
    """Write the page, and a schema for each kind of file to the folder `schemas`: a key a line, so that Git merges."""
    write_text(text, reference())
    for name in SCHEMAS:
        write_json(schemas / f"{name}.json", schema(name))


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────


def reference() -> str:
    """Return the page."""
    seen: set[type[BaseModel]] = set()
    former = [f"`{'.'.join(path)}` is `{name}` now" for path, name in RENAMED]
    parts = [HEAD, f"Former names that this version reads, and says so: {'; '.join(former)}.\n"]
    for title, models in _sections():
        parts.append(f"## {title}\n")
        for name, model in models:
            parts += _documented(name, model, seen)
    return "\n".join(parts)


def _sections() -> Iterator[tuple[str, Models]]:
    yield "config.yaml, and `--config`", [("config.yaml", Config)]
    yield "workflow/scales/<name>.yaml", [("a scale", Scale), ("`workloads.<name>`", Workload)]
    yield "workflow/experiments/<name>.yaml", [("an experiment", Experiment), ("`recipes.<name>`", Recipe)]
    yield "workflow/datasets.yaml", [("`<name>`", DatasetSpec)]
    yield "`networks`", _tagged("family", _members(Networks))
    yield "`objective`", _tagged("name", _members(Objective))
    players: Models = [("`latent`", Latent), ("`optimiser`", Optimiser), ("`updates`", Updates)]
    yield "`latent`, `optimiser`, `updates`", players
    yield "`terms`", [("`terms`", Terms)]
    yield "`method`", [(f"`name: {name}`", options_of(name)) for name in shipped_methods()]
    types = {name: OUTPUT_TYPES[name].options for name in sorted(OUTPUT_TYPES)}
    yield "`outputs.<name>.options`", [(f"`type: {name}`", options) for name, options in types.items()]


def _members(union: Any) -> list[type[BaseModel]]:
    """The models of an annotated union."""
    inner = get_args(union)[0] if get_origin(union) is Annotated else union
    return [model for model in get_args(inner) or (inner,) if isinstance(model, type)]


def _tagged(tag: str, models: Sequence[type[BaseModel]]) -> Models:
    def title(model: type[BaseModel]) -> str:
        names = get_args(model.model_fields[tag].annotation)
        return ", ".join(f"`{tag}: {name}`" for name in names)

    return [(title(model), model) for model in models]


def _documented(title: str, model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """A model's heading, words and table, then those of the blocks within that stand nowhere yet."""
    if model in seen:
        return
    seen.add(model)
    yield f"### {title}\n"
    yield f"{inspect.cleandoc(model.__doc__ or '')}\n"
    said = comments(model)
    rows, within = [], []
    for key, field in model.model_fields.items():
        allowed = kind_of(field.annotation, field.metadata).replace("|", "\\|")
        note = said.get(key, "").replace("|", "\\|")
        rows.append(f"| `{key}` | {allowed} | {_default(field)} | {note} |")
        within += [(key, block) for block in _blocks_in(field.annotation)]
    if rows:
        yield "| key | may be | default | |\n| :-- | :-- | :-- | :-- |"
        yield "\n".join(rows) + "\n"
    elsewhere = {Networks, Objective, Latent, Optimiser, Updates, Terms, Recipe, Workload, Experiment}
    for key, block in within:
        if block not in elsewhere and block not in {*_members(Networks), *_members(Objective)}:
            yield from _documented(f"{title} → `{key}`", block, seen)


def comments(model: type[BaseModel]) -> dict[str, str]:
    """Return what the lines above a model's fields, or the string below them, say of each, ancestors' included."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not (isinstance(base, type) and issubclass(base, BaseModel)) or base is BaseModel:
            continue
        above: list[str] = []
        last = ""
        for line in inspect.getsource(base).splitlines():
            text = line.strip()
            if text.startswith("# "):
                above.append(text[2:])
            elif (match := re.match(r"(\w+): ", text)) and match[1] in base.model_fields:
                last = match[1]
                if above:
                    found[last] = " ".join(above)
                above = []
            elif last and text.startswith('"""') and text.endswith('"""') and len(text) > 6:
                found[last] = text.strip('"')
                above = []
            else:
                above, last = [], ""
    return found


def kind_of(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Return what a field may hold, in words: types, names, ranges."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return kind_of(inner, [*(limit for one in more for limit in _limits(one)), *metadata])
    said = _plain(annotation)
    limits = [_limit(limit) for limit in metadata]
    return f"{said} {', '.join(filter(None, limits))}".strip()


def _limits(one: Any) -> Sequence[Any]:
    return one.metadata if isinstance(one, FieldInfo) else [one]


def _limit(limit: Any) -> str:
    match limit:
        case Ge(ge=value):
            return f"≥ {value}"
        case Gt(gt=value):
            return f"> {value}"
        case Le(le=value):
            return f"≤ {value}"
        case Lt(lt=value):
            return f"< {value:,}" if isinstance(value, int) and value > 10**6 else f"< {value}"
        case MinLen(min_length=value):
            return f"at least {value}"
    return ""


NAMES = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true, false",
    Any: "anything",
    NoneType: "null",
}


def _plain(annotation: Any) -> str:
    origin, given = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in given)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(kind_of(part) for part in given))
    if origin is tuple:
        if given[-1] is Ellipsis:
            return f"list of {kind_of(given[0])}"
        return f"[{', '.join(kind_of(part) for part in given)}]"
    if origin is dict:
        return f"{kind_of(given[0])} → {kind_of(given[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "its weight, or block" if "weight" in annotation.model_fields else "block"
    return NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "–"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or isinstance(value, BaseModel):
        return "its own"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`" if value not in ("", {}) else "empty"


def _blocks_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [block for part in get_args(annotation) for block in _blocks_in(part)]


# ── schemas ───────────────────────────────────────────────────────────────────────────────────────────


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of one kind of file. Recipes are in parts, so nothing of them is required."""
    if name == "datasets":
        described = DatasetSpec.model_json_schema()
        definitions = described.pop("$defs", {})
        return {"$defs": definitions, "type": "object", "additionalProperties": described}
    models: dict[str, type[BaseModel]] = {"config": Config, "scale": Scale, "experiment": Experiment}
    made: dict[str, Any] = models[name].model_json_schema()
    definitions = made.setdefault("$defs", {})
    recipe = _in_parts(Recipe.model_json_schema(ref_template="#/$defs/{model}"))
    definitions |= recipe.pop("$defs", {})
    terms = definitions["Terms"]["properties"]
    terms |= {
        key: {"anyOf": [{"type": "number"}, {"$ref": value["$ref"]}]}
        for key, value in terms.items()
        if "$ref" in value
    }
    # An objective without options may be said by its name alone.
    compared = definitions["RelativisticObjective"]["properties"]
    compared["of"] = {"anyOf": [{"type": "string"}, compared["of"]]}
    definitions["Optimiser"]["properties"] = _or_null(definitions["Optimiser"]["properties"])
    recipe["properties"]["method"] = {"anyOf": [{"enum": shipped_methods()}, *_methods(definitions)]}
    texts = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    recipe["properties"] |= {"extends": texts} | {key: {} for key in ON_SOURCES}
    definitions["RecipeInParts"] = recipe
    definitions["WorkloadInParts"] = _in_parts(Workload.model_json_schema(ref_template="#/$defs/{model}"))
    definitions |= definitions["WorkloadInParts"].pop("$defs", {})
    definitions["WorkloadInParts"]["properties"]["recipe"] = {"$ref": "#/$defs/RecipeInParts"}
    for key in ("recipes", "workloads"):
        if key in made["properties"]:
            part = "RecipeInParts" if key == "recipes" else "WorkloadInParts"
            made["properties"][key] = {"type": "object", "additionalProperties": {"$ref": f"#/$defs/{part}"}}
    return made


def _methods(definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A method's options, each; null takes back what a recipe inherits."""
    for name in shipped_methods():
        options = _in_parts(options_of(name).model_json_schema(ref_template="#/$defs/{model}"))
        definitions |= options.pop("$defs", {})
        options["properties"] = _or_null(options["properties"])
        yield {key: value for key, value in options.items() if key != "additionalProperties"}


def _or_null(properties: dict[str, Any]) -> dict[str, Any]:
    """Options that null takes back where a recipe inherits them."""
    return {
        key: {"anyOf": [value, {"type": "null"}]} if key != "name" else value
        for key, value in properties.items()
    }


def _in_parts(given: Any) -> Any:
    """A schema of which nothing is required, and in which blocks of other models may be inherited in part."""
    if isinstance(given, list):
        return [_in_parts(item) for item in given]
    if not isinstance(given, dict):
        return given
    # Of keys that are also names of properties, the schema's own are a list, and a mapping with propertyName.
    left = {
        key: _in_parts(value)
        for key, value in given.items()
        if not (key == "required" and isinstance(value, list))
        and not (key == "discriminator" and isinstance(value, dict) and "propertyName" in value)
    }
    if "oneOf" in left:  # which of the models it is may be said by the recipe that is extended
        left["anyOf"] = left.pop("oneOf")
    return left
