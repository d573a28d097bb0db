"""Settings of a plugin: strict, documented, with named profiles.

A plugin declares a subclass of `PluginSettings`. Values come from configuration as plain
dictionaries; what is not set comes from the chosen profile, then from the field's default.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from alpha.errors import ConfigError

#: The profile that a bot has unless it names another.
DEFAULT_PROFILE = "reference"


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number, was a truth value")
    return value


#: Marks a Decimal setting: takes whole numbers, decimals and their texts, never true or false.
Number = (BeforeValidator(_number), Field(strict=False))


class PluginSettings(BaseModel):
    """Base of all plugins' settings. `profiles` maps a profile's name to the values in which it
    differs from the defaults; tables are merged key by key."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    profiles: ClassVar[Mapping[str, Mapping[str, object]]] = {DEFAULT_PROFILE: {}}

    profile: Annotated[str, Field(description="Set of defaults to start from.")] = DEFAULT_PROFILE


S = TypeVar("S", bound=PluginSettings)


def build_settings(model: type[S], raw: Mapping[str, object], *, bot: str) -> S:
    """Checks `raw` against the plugin's model. ConfigError in one line, naming the setting, what
    was expected and what was found."""
    profile = raw.get("profile", DEFAULT_PROFILE)
    if not isinstance(profile, str) or profile not in model.profiles:
        raise ConfigError(
            f"bot {bot}: setting profile: expected one of {', '.join(sorted(model.profiles))}, "
            f"was {profile!r}"
        )
    values = _merged(_table_defaults(model), model.profiles[profile])
    try:
        return model.model_validate(_merged(values, raw))
    except ValidationError as error:
        problems = "; ".join(
            _problem(model, problem["loc"], problem["type"], problem["msg"], problem.get("input"))
            for problem in error.errors(include_url=False)
        )
        raise ConfigError(f"bot {bot}: {problems}") from None


def _table_defaults(model: type[PluginSettings]) -> dict[str, object]:
    """Defaults of the settings that are tables, so that a profile or a file may change one cell."""
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        if isinstance(default, Mapping):
            found[name] = {
                key: value.model_dump() if isinstance(value, BaseModel) else value
                for key, value in default.items()
            }
    return found


def _merged(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = _merged(below, value)
        else:
            result[key] = value
    return result


def _problem(
    model: type[BaseModel], loc: tuple[int | str, ...], kind: str, message: str, found: object
) -> str:
    where = ".".join(str(part) for part in loc)
    if kind == "extra_forbidden":
        near = nearest(str(loc[-1]), _keys_at(model, loc[:-1]))
        return f"unknown setting {where!r}; the nearest is {near!r}"
    if kind == "missing":
        return f"setting {where} is missing; expected a value"
    if not loc:
        return _sentence(message)  # of several settings together; it says what was found
    return f"setting {where}: {_sentence(message)}, was {found!r}"


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ").removeprefix("Input should be ")
    text = text.replace("a valid tuple", "a list").replace("a valid dictionary", "a table")
    if text == message and " should have " in text:
        return "expected " + text.partition(" should have ")[2]
    return text if text.startswith("expected") else f"expected {text[:1].lower()}{text[1:]}"


def _keys_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The valid keys of the model at a path of settings; a table's row models count too."""
    fields: Mapping[str, FieldInfo] = model.model_fields
    for part in path:
        if part not in fields:
            continue  # the key of a table's row
        inner = _model_inside(fields[str(part)].annotation)
        if inner is not None:
            fields = inner.model_fields
    return list(fields)


def _model_inside(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    arguments: tuple[object, ...] = getattr(annotation, "__args__", ())
    for argument in arguments:
        found = _model_inside(argument)
        if found is not None:
            return found
    return None


def nearest(word: str, known: list[str]) -> str:
    """The known word that is most like `word`."""
    return max(known, key=lambda name: difflib.SequenceMatcher(None, word, name).ratio())
