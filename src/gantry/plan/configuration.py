"""The files a user edits, read strictly: config.yaml, scales, data sets and experiments.

Every problem of every file is collected and reported at once, each with its file, its key and what is allowed.
"""

from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError

from gantry.errors import UserError, suggestion
from gantry.plan.recipe import DatasetSpec, Positive, Strict, Workload

TableKind = Literal["checkpoint_statistics", "cost", "ablation", "mode_statistics", "claims"]
FigureKind = Literal["scatter", "curves", "grids", "trajectories"]
Model = TypeVar("Model", bound=BaseModel)


class Config(Strict):
    """config.yaml, with whatever `--config` put on top of it."""

    scale: str = "paper"
    papers: tuple[str, ...] = ("bcgan",)
    seeds: tuple[int, ...] | None = Field(default=None, min_length=1)
    data: str = "data"
    results: str = "results"
    device: Literal["cpu", "cuda"] | None = None
    deterministic: bool = False
    segment_iterations: Positive | None = None
    features: str | None = None
    weights: dict[str, str] = {}
    datasets: dict[str, dict[str, Any]] = {}
    substitute: dict[str, str] = {}
    recipes: dict[str, dict[str, Any]] = {}
    workloads: dict[str, dict[str, Any]] = {}


class Scale(Strict):
    """How large everything is: `workflow/scales/<name>.yaml`."""

    title: str
    device: Literal["cpu", "cuda"]
    seeds: tuple[int, ...] = Field(min_length=1)
    features: str
    substitute: dict[str, str] = {}
    workloads: dict[str, dict[str, Any]] = {}


class Runs(Strict):
    """A rectangle of runs: every data set with every recipe, recipes with their printed names."""

    datasets: tuple[str, ...] = Field(min_length=1)
    recipes: dict[str, str] = Field(min_length=1)


class Output(Strict):
    """One table or figure: its kind, the runs it needs and the published numbers beside them."""

    kind: TableKind | FigureKind
    title: str
    runs: tuple[Runs, ...] = Field(min_length=1)
    metrics: tuple[str, ...] = ()
    until: Literal["iterations", "extended_iterations"] = "iterations"
    published: str | None = None
    # The row of the published file that belongs to a recipe, where it is not the recipe's own name.
    methods: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    options: dict[str, Any] = {}

    @property
    def family(self) -> str:
        """'table', 'figure' or 'claims': which step makes it, and in which formats."""
        if self.kind == "claims":
            return "claims"
        return "table" if self.kind in get_args(TableKind) else "figure"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The formats in which this output is written."""
        formats = {"table": ("csv", "md", "tex"), "figure": ("png", "svg"), "claims": ("csv", "md")}
        return formats[self.family]


class Experiment(Strict):
    """One paper: `workflow/experiments/<name>.yaml`."""

    title: str
    source: str
    workloads: dict[str, Workload]
    recipes: dict[str, dict[str, Any]]
    outputs: dict[str, Output]


class Problems:
    """All that is wrong with the configuration, gathered before anything is said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def add(self, file: str, key: str, message: str) -> None:
        """Note one problem of `key` in `file`."""
        line = f"{file}: {key}: {message}" if key else f"{file}: {message}"
        if line not in self.messages:
            self.messages.append(line)

    def raise_if_any(self) -> None:
        """Raise UserError with every message, a line each, if there is any."""
        if self.messages:
            raise UserError("\n".join(self.messages))

    def validated(self, model: type[Model], data: Any, file: str, key: str = "") -> Model | None:
        """Return `data` as a `model`, or note each of its errors and return None."""
        try:
            return model.model_validate(data)
        except ValidationError as errors:
            for error in errors.errors():
                place = _without_tags(error["loc"], data)
                dotted = ".".join([key] * bool(key) + [str(part) for part in place])
                self.add(file, dotted, _explain(error, model, place, data))
            return None


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where PyYAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
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


def merged(base: Any, patch: Any) -> Any:
    """Return `base` with `patch` laid over it; mappings are merged key by key, all else is replaced."""
    if not (isinstance(base, dict) and isinstance(patch, dict)):
        return patch
    return base | {key: merged(base.get(key), value) for key, value in patch.items()}


def extended(
    recipes: dict[str, dict[str, Any]], name: str, file: str, problems: Problems, seen: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the recipe `name` with everything it inherits through `extends`, outermost last."""
    own = dict(recipes[name])
    parent = own.pop("extends", None)
    if parent is None:
        return own
    key = f"recipes.{name}.extends"
    if parent not in recipes:
        known = ", ".join(sorted(recipes))
        problems.add(
            file, key, f"unknown recipe {parent!r}{suggestion(str(parent), recipes)}; known: {known}"
        )
        return own
    if parent in (*seen, name):
        problems.add(file, key, f"circular: {' → '.join((*seen, name, parent))}")
        return own
    base = extended(recipes, parent, file, problems, (*seen, name))
    # A block whose family or name changes starts afresh: the parent's keys belong to another model.
    for block, tag in (("networks", "family"), ("objective", "name")):
        if tag in own.get(block, {}) and own[block][tag] != base.get(block, {}).get(tag):
            base = {field: value for field, value in base.items() if field != block}
    return merged(base, own)


def read_datasets(
    path: Path, patches: dict[str, dict[str, Any]], problems: Problems
) -> dict[str, DatasetSpec]:
    """Read workflow/datasets.yaml with the configuration's own `datasets` laid over it."""
    shown = "workflow/datasets.yaml"
    described = merged(read_yaml(path, shown), patches)
    specs = {}
    for name, block in described.items():
        file = "config" if name in patches else shown
        spec = problems.validated(DatasetSpec, block, file, f"datasets.{name}")
        if spec is not None:
            specs[name] = spec
    return specs


def _without_tags(place: tuple[int | str, ...], data: Any) -> list[int | str]:
    """Drop from pydantic's error location the union tags, which are no keys of the user's."""
    kept: list[int | str] = []
    for index, part in enumerate(place):
        is_last = index == len(place) - 1
        if isinstance(data, dict) and part not in data and not is_last:
            continue
        kept.append(part)
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
            data = data[part]
    return kept


def _explain(error: Any, model: type[BaseModel], place: list[int | str], data: Any) -> str:
    """Turn one pydantic error into a sentence that says what is allowed."""
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, place[:-1], data)
        return f"unknown key{suggestion(str(place[-1]), known)}\n  known keys: {', '.join(known)}"
    if error["type"] == "missing":
        return "missing"
    if error["type"] == "union_tag_invalid":
        context = error["ctx"]
        known = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
        return (
            f"{context['discriminator']} {context['tag']!r} is unknown"
            f"{suggestion(str(context['tag']), known)}; known: {', '.join(known)}"
        )
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    given = error.get("input")
    shown = "" if isinstance(given, dict) or error["type"] == "value_error" else f" (given: {given!r})"
    near = ""
    if error["type"] == "literal_error":
        near = suggestion(str(given), [part.strip("' ") for part in error["ctx"]["expected"].split(",")])
    return f"{message}{shown}{near}"


def _known_keys(model: type[BaseModel], place: list[int | str], data: Any) -> list[str]:
    """Return the keys of the model that stands at `place`, going through unions by the data's own tags."""
    current: type[BaseModel] = model
    for part in place:
        data = data[part]
        if isinstance(part, int) or part not in current.model_fields:
            continue
        candidates = _models_in(current.model_fields[part].annotation)
        fitting = [candidate for candidate in candidates if _fits(candidate, data)]
        if fitting or candidates:
            current = (fitting or candidates)[0]
    return list(current.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _fits(model: type[BaseModel], data: Any) -> bool:
    """Say whether the literal fields of `model` (its tag) admit what the data holds."""
    return all(
        data.get(name) in get_args(field.annotation)
        for name, field in model.model_fields.items()
        if field.is_required() and get_args(field.annotation) and isinstance(data, dict)
    )
