"""What a key may be: a walk over the settings models, used by every source of values."""

from __future__ import annotations

import types
from difflib import get_close_matches
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from alpha.config.settings import Config

Key = tuple[str, ...]
FILE_SUFFIX = "_file"


def dotted(key: Key) -> str:
    return ".".join(key)


def table_of(annotation: object) -> type[BaseModel] | None:
    """The model of a `[section]`, or None."""
    return (
        annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    )


def named_tables_of(annotation: object) -> type[BaseModel] | None:
    """The model of `[section.NAME]` tables, or None."""
    return table_of(get_args(annotation)[1]) if get_origin(annotation) is dict else None


def is_free_table(annotation: object) -> bool:
    """A table whose keys are not ours to know, such as a plugin's settings."""
    return get_origin(annotation) is dict and named_tables_of(annotation) is None


def is_secret(annotation: object) -> bool:
    return annotation is SecretStr


def optional_inner(annotation: object) -> object:
    """`T` of `T | None`, and the bare type of an annotated one."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(arg for arg in get_args(annotation) if arg is not types.NoneType)
        else:
            return annotation


def valid_keys(model: type[BaseModel]) -> list[str]:
    """The keys of one table as they may be written, `_file` forms of secrets included."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(name)
        if is_secret(field.annotation):
            keys.append(name + FILE_SUFFIX)
    return keys


def field_named(model: type[BaseModel], key: str) -> tuple[str, FieldInfo, bool] | None:
    """Field name, field, and whether `key` is its `_file` form."""
    if key in model.model_fields:
        return key, model.model_fields[key], False
    base = key.removesuffix(FILE_SUFFIX)
    field = model.model_fields.get(base)
    if base != key and field is not None and is_secret(field.annotation):
        return base, field, True
    return None


def nearest(wrong: str, valid: list[str]) -> str | None:
    found = get_close_matches(wrong, valid, n=1, cutoff=0.5)
    return found[0] if found else None


def suggestion(wrong: str, parent: Key, valid: list[str]) -> str:
    """The end of an unknown-key message: the nearest valid key, here or anywhere, or the list."""
    near = nearest(wrong, valid)
    if near is not None:
        return f"the nearest valid key is {dotted((*parent, near))!r}"
    elsewhere = {key[-1]: key for key in all_keys()}
    near = nearest(wrong, list(elsewhere))
    if near is not None:
        return f"the nearest valid key is {dotted(elsewhere[near])!r}"
    return "valid here: " + ", ".join(valid)


def all_keys(model: type[BaseModel] = Config, prefix: Key = ()) -> list[Key]:
    """Every key of config.toml, with NAME for the name of an account or a bot."""
    keys: list[Key] = []
    for name, field in model.model_fields.items():
        key = (*prefix, name)
        table, named = table_of(field.annotation), named_tables_of(field.annotation)
        if table is not None:
            keys += all_keys(table, key)
        elif named is not None:
            keys += all_keys(named, (*key, "NAME"))
        else:
            keys.append(key)
    return keys
