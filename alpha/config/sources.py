"""Where values come from: the file, the environment, the command line. Each source becomes a
layer, a flat table of keys with values and origins; unknown keys are refused here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from pydantic import BaseModel, ValidationError

from alpha.config.schema import (
    Key,
    dotted,
    field_named,
    is_free_table,
    is_secret,
    named_tables_of,
    optional_inner,
    suggestion,
    table_of,
    valid_keys,
)
from alpha.config.settings import Config
from alpha.errors import ConfigError

ENVIRONMENT_PREFIX = "ALPHA__"
_MAX_SECRET_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Value:
    value: object
    origin: str


Layer = dict[Key, Value]


# ---- the file -------------------------------------------------------------------------------


def file_layer(path: Path, *, label: str) -> Layer:
    """The values of one TOML file. `label` is how messages and origins call it."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"expected a config file at {path}, found none that can be read "
            f"({error.strerror}); give --config FILE"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{label}: expected UTF-8 text, found other bytes") from error
    try:
        tree = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{label}: expected valid TOML, found: {error}") from error
    lines = _key_lines(text)
    return dict(_file_values(tree, Config, (), label, lines))


def _place(label: str, key: Key, lines: Mapping[Key, int]) -> str:
    """`config.toml:12`; a key inside an inline table takes the line of its parent."""
    for length in range(len(key), 0, -1):
        if key[:length] in lines:
            return f"{label}:{lines[key[:length]]}"
    return label


def _file_values(
    tree: Mapping[str, object],
    model: type[BaseModel],
    parent: Key,
    label: str,
    lines: Mapping[Key, int],
) -> Iterator[tuple[Key, Value]]:
    for name, value in tree.items():
        key = (*parent, name)
        place = _place(label, key, lines)
        found = field_named(model, name)
        if found is None:
            where = f"[{dotted(parent)}]" if parent else "the top level"
            hint = suggestion(name, parent, valid_keys(model))
            raise ConfigError(f"{place}: unknown key {name!r} in {where}; {hint}")
        base, field, from_file = found
        annotation = optional_inner(field.annotation)
        table, named = table_of(annotation), named_tables_of(annotation)
        if from_file:
            if base in tree:
                raise ConfigError(f"{place}: expected {base} or {name}, found both; keep one")
            yield (*parent, base), _secret_file(value, place, dotted(key))
        elif table is not None:
            yield from _file_values(_table(value, key, place), table, key, label, lines)
        elif named is not None:
            for entry, inner in _table(value, key, place).items():
                at = _place(label, (*key, entry), lines)
                inner_table = _table(inner, (*key, entry), at)
                yield (*key, entry), Value({}, at)
                yield from _file_values(inner_table, named, (*key, entry), label, lines)
        elif is_free_table(annotation):
            for entry, inner in _table(value, key, place).items():
                yield (*key, entry), Value(_native(inner), _place(label, (*key, entry), lines))
        else:
            yield key, Value(value, place)


def _native(value: object) -> object:
    """A setting of a plugin with the types that TOML's readers give everywhere: its model
    decides what is a Decimal (which takes the float's text, so 0.1 stays 0.1)."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_native(item) for item in value]
    if isinstance(value, dict):
        return {name: _native(item) for name, item in value.items()}
    return value


def _table(value: object, key: Key, place: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(
            f"{place}: {dotted(key)}: expected a table, found {describe(value)}; "
            f"write [{dotted(key)}]"
        )
    return value


_HEADER = re.compile(r"^\s*\[\[?([^\]]+)\]\]?\s*(#.*)?$")
_ASSIGNMENT = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"))*)\s*=""")


def _key_lines(text: str) -> dict[Key, int]:
    """Line of each key and header (tomllib tells no positions). Lines inside a multi-line text
    may be taken for keys; the first line wins, and a wrong one costs only a wrong line number."""
    lines: dict[Key, int] = {}
    section: Key = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            section = _split_key(header.group(1))
            lines.setdefault(section, number)
        elif assignment := _ASSIGNMENT.match(line):
            lines.setdefault((*section, *_split_key(assignment.group(1))), number)
    return lines


def _split_key(text: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


# ---- secrets in files of their own ----------------------------------------------------------


def _secret_file(path: object, place: str, name: str) -> Value:
    if not isinstance(path, str) or not path:
        raise ConfigError(f"{place}: {name}: expected the path of a file, found {describe(path)}")
    return Value(read_secret(Path(path), place=place, name=name), f"{place} -> {path}")


def read_secret(path: Path, *, place: str, name: str) -> str:
    """The content of a secret's file, without the newline at its end."""
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{place}: {name}: expected a readable file at {path}, found none "
            f"({error.strerror}); create it or correct the path"
        ) from error
    try:
        secret = content[:_MAX_SECRET_BYTES].decode().strip()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{place}: {name}: expected text in {path}, found bytes") from error
    if not secret:
        raise ConfigError(f"{place}: {name}: expected a secret in {path}, found an empty file")
    return secret


# ---- the environment ------------------------------------------------------------------------


def environment_layer(env: Mapping[str, str], below: Layer) -> Layer:
    """`ALPHA__SECTION__KEY` variables. Names of bots and accounts are matched to those of the
    layers below without regard to case."""
    layer: Layer = {}
    for variable in sorted(env):
        if variable.upper().startswith(ENVIRONMENT_PREFIX):
            parts = variable[len(ENVIRONMENT_PREFIX) :].split("__")
            origin = f"environment {variable}"
            _set_text(layer, parts, env[variable], origin, {**below, **layer})
    return layer


def _set_text(layer: Layer, parts: list[str], text: str, origin: str, known: Layer) -> None:
    key, annotation, from_file = _resolve([part.lower() for part in parts], origin, known)
    if from_file:
        layer[key] = Value(
            read_secret(Path(text), place=origin, name=dotted(key)), f"{origin} -> {text}"
        )
        return
    layer[key] = Value(from_text(annotation, text, dotted(key), origin), origin)
    for length in range(2, len(key)):
        layer.setdefault(key[:length], Value({}, origin))


def _resolve(parts: list[str], origin: str, known: Layer) -> tuple[Key, object, bool]:
    """Key, annotation and whether it is a `_file` form, of lower-case words."""
    model: type[BaseModel] = Config
    key: Key = ()
    while parts:
        word, parts = parts[0], parts[1:]
        found = field_named(model, word)
        if found is None:
            raise ConfigError(
                f"{origin}: unknown key {dotted((*key, word))!r}; "
                + suggestion(word, key, valid_keys(model))
            )
        name, field, from_file = found
        annotation = optional_inner(field.annotation)
        key = (*key, name)
        table, named = table_of(annotation), named_tables_of(annotation)
        if table is not None:
            model = table
        elif named is not None and parts:
            key, parts, model = (*key, _known_name(key, parts[0], known)), parts[1:], named
        elif is_free_table(annotation) and parts:
            return (*key, _known_name(key, "__".join(parts), known)), object, False
        elif not parts and not is_free_table(annotation) and named is None:
            return key, field.annotation, from_file
        else:
            break
    raise ConfigError(f"{origin}: expected the name of one key, found {dotted(key) or 'nothing'!r}")


def _known_name(parent: Key, name: str, known: Layer) -> str:
    for key in known:
        if key[: len(parent)] == parent and len(key) > len(parent):
            candidate = key[len(parent)]
            if candidate.lower() == name:
                return candidate
    return name


def from_text(annotation: object, text: str, name: str, origin: str) -> object:
    """The value that `text` means for a key of this type."""
    inner = optional_inner(annotation)
    if inner is object:
        return _toml_value(text)
    if inner is str or is_secret(inner):
        return text
    if inner == tuple[int, ...]:
        return id_list(text, name, origin)
    word = text.strip()
    try:
        if inner is bool:
            return _BOOLEANS[word.lower()]
        if inner is int:
            return int(word)
        if inner is Decimal:
            return _finite(Decimal(word))
    except (KeyError, ValueError, InvalidOperation):
        expected = "true or false" if inner is bool else "a number"
        expected = "a whole number" if inner is int else expected
        raise ConfigError(f"{origin}: {name}: expected {expected}, found {text!r}") from None
    return text  # paths, times and choices are read by the models


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _finite(number: Decimal) -> Decimal:
    if not number.is_finite():
        raise ValueError(number)
    return number


def _toml_value(text: str) -> object:
    """Settings of a plugin: read as TOML where it is TOML (numbers, lists, true), else text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def id_list(text: str, name: str, origin: str) -> tuple[int, ...]:
    words = [word for word in re.split(r"[,\s]+", text.strip("[] \t")) if word]
    try:
        return tuple(int(word) for word in words)
    except ValueError as error:
        raise ConfigError(
            f"{origin}: {name}: expected numbers separated by commas, found {text!r}"
        ) from error


# ---- the command line -----------------------------------------------------------------------


def overrides_layer(overrides: Mapping[str, object], known: Layer) -> Layer:
    """Values by dotted key. Text is read as in the environment, other values are taken."""
    layer: Layer = {}
    for name, value in overrides.items():
        origin = "command line"
        if isinstance(value, str):
            _set_text(layer, name.split("."), value, origin, {**known, **layer})
        else:
            key, _, _ = _resolve(name.split("."), origin, known)
            layer[key] = Value(value, origin)
    return layer


# ---- words for messages ---------------------------------------------------------------------

_EXPECTED = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "finite_number": "a finite number",
    "is_instance_of": "a number",
    "float_type": "a number",
    "string_type": "text in quotes",
    "tuple_type": "a list",
    "dict_type": "a table",
    "datetime_type": "an ISO 8601 time",
    "path_type": "a path in quotes",
}


def expected_words(error: ValidationError) -> str:
    """What the first complaint of pydantic's wanted, in the words of a TOML file."""
    first = error.errors(include_url=False, include_context=True)[0]
    kind, context = first["type"], first.get("ctx", {})
    if kind == "literal_error":
        return f"one of {context.get('expected')}"
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
        return ", ".join(f"a number {words[key]} {context[key]}" for key in words if key in context)
    if kind == "value_error":
        return str(first["msg"]).removeprefix("Value error, ").removeprefix("expected ")
    return _EXPECTED.get(kind, str(first["msg"]))


def describe(value: object) -> str:
    """A value and its kind, for the end of a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return f"the list {list(value)!r}"
    return f"{value}"
