"""What is wrong with the files a user edits: gathered, put down to the text it stands in, said in plain words."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from gantry.errors import UserError, suggestion
from gantry.plan.reading import read_yaml
from gantry.plan.renamed import renamed

Model = TypeVar("Model", bound=BaseModel)
# Texts laid over others, the one with the last word first: file, key in that file, content.
Layers = Sequence[tuple[str, str, Any]]


class Problems:
    """All that is wrong with the configuration, gathered before anything is said; and the files that it was read from.

    `frozen` holds what was read before: then no file is looked at.
    """

    def __init__(self, frozen: Mapping[str, Any] | None = None) -> None:
        self.messages: list[str] = []
        self.renamed: list[str] = []
        self.frozen = frozen
        self.files: dict[str, Any] = {}

    def add(self, file: str, key: str, message: str) -> None:
        """Note one problem of `key` in `file`."""
        line = f"{file}: {key}: {message}" if key else f"{file}: {message}"
        if line not in self.messages:
            self.messages.append(line)

    def expect_known(self, file: str, key: str, what: str, name: str, known: Iterable[str]) -> None:
        """Note that the `what` called `name` is none of `known`, if so."""
        names = sorted(known)
        if name not in names:
            self.add(
                file, key, f"unknown {what} {name!r}{suggestion(name, names)}; known: {', '.join(names)}"
            )

    def raise_if_any(self) -> None:
        """Raise UserError with every message, a line each, if there is any."""
        if self.messages:
            raise UserError("\n".join(self.messages))

    def validated(
        self, model: type[Model], data: Any, file: str, key: str = "", patches: Layers = ()
    ) -> Model | None:
        """Return `data` as a `model`, or note each of its errors and return None.

        `data` comes from `key` of `file`, with `patches` laid over it: an error is put down to the topmost
        text that holds what is wrong.
        """
        try:
            return model.model_validate(data)
        except ValidationError as errors:
            found = errors.errors()
            for error in found:
                within = [other for other in found if other["loc"][: len(error["loc"])] == error["loc"]]
                if error["type"] == "too_short" and len(within) > 1:
                    continue  # items that are wrong are not counted: they are reported themselves
                place = _without_tags(error["loc"], data)
                blamed, prefix = _origin(place, file, key, patches)
                dotted = ".".join([prefix] * bool(prefix) + [str(part) for part in place])
                self.add(blamed, dotted, _explain(error, model, place, data))
            return None

    def validated_in_part(self, model: type[Model], data: dict[str, Any], file: str) -> Model | None:
        """As `validated`, but leave out what is wrong, so that the rest is checked in the same breath.

        Returns None where no `model` is left.
        """
        sound = self.validated(model, data, file)
        if sound is not None:
            return sound
        rest = deepcopy(data)
        try:
            return model.model_validate(rest)
        except ValidationError as errors:
            for error in errors.errors():
                key, *inner = error["loc"]
                block = rest.get(str(key))
                if inner and isinstance(block, dict):
                    block.pop(inner[0], None)
                else:
                    rest.pop(str(key), None)
        try:
            return model.model_validate({key: value for key, value in rest.items() if isinstance(key, str)})
        except ValidationError:
            return None

    def with_new_names(self, text: dict[str, Any], file: str) -> dict[str, Any]:
        """Return the text of `file` with the names that its keys have now, and note those that it has not."""

        def note(key: str, name: str) -> None:
            self.renamed.append(
                f"{file}: {key}: is called {name} now; its former name is read by this version, and by none after it"
            )

        found: dict[str, Any] = renamed(text, note)
        return found

    def read(self, path: Path, shown: str) -> dict[str, Any]:
        """Read one YAML file as `read_yaml` does; note why that fails and return an empty dictionary."""
        try:
            if self.frozen is None:
                self.files[shown] = self.with_new_names(read_yaml(path, shown), shown)
            elif shown in self.frozen:
                self.files[shown] = deepcopy(self.frozen[shown])
            else:
                raise UserError(f"{shown}: not part of the plan; run the same snakemake command again")
            return dict(self.files[shown])
        except UserError as error:
            self.messages.append(str(error))
            return {}


def _origin(place: list[int | str], file: str, key: str, patches: Layers) -> tuple[str, str]:
    """Return (file, key) of the topmost text that holds `place`; for a whole block, of the topmost there is."""
    for patch_file, patch_key, content in patches:
        for part in place:
            is_list = isinstance(content, list | tuple)
            inside = dict(enumerate(content)) if is_list else content
            if not isinstance(inside, dict) or part not in inside:
                if is_list:  # which is replaced as a whole, so nothing of it is anybody else's
                    return patch_file, patch_key
                break
            content = inside[part]
        else:
            if content or place:
                return patch_file, patch_key
    return file, key


def _without_tags(place: tuple[int | str, ...], data: Any) -> list[int | str]:
    """Drop from pydantic's error location what is no key of the user's: tags of unions, the mark of a key."""
    kept: list[int | str] = []
    place = place[:-1] if place[-1:] == ("[key]",) else place
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


# What pydantic says in Python's words, in the words of YAML.
PLAIN = {
    "tuple_type": "should be a list, such as [a, b]",
    "too_short": "should have at least one item",
    "dict_type": "should be a mapping of keys to values",
    "model_type": "should be a mapping of keys to values",
    "model_attributes_type": "should be a mapping of keys to values",
    "string_pattern_mismatch": "should be a name of letters, digits, _ . and -, without spaces or slashes",
}


def _explain(error: Any, model: type[BaseModel], place: list[int | str], data: Any) -> str:
    """Turn one pydantic error into a sentence that says what is allowed."""
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, place[:-1], data)
        return f"unknown key{suggestion(str(place[-1]), known)}\n  known keys: {', '.join(known)}"
    if error["type"] == "missing":
        return "missing"
    if error["type"] == "union_tag_not_found":
        return f"{error['ctx']['discriminator'].strip(chr(39))} is missing"
    if error["type"] == "union_tag_invalid":
        context = error["ctx"]
        known = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
        return (
            f"{context['discriminator'].strip(chr(39))} {context['tag']!r} is unknown"
            f"{suggestion(str(context['tag']), known)}; known: {', '.join(known)}"
        )
    message = PLAIN.get(error["type"]) or error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    given = error.get("input")
    shown = "" if isinstance(given, dict) or error["type"] == "value_error" else f" (given: {given!r})"
    near = ""
    if error["type"] in ("string_type", "literal_error") and isinstance(given, bool | int | float | date):
        near = "; YAML takes yes, no, on and off for true and false" if isinstance(given, bool) else ""
        near += "; quote it"
    elif error["type"] == "literal_error":
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
