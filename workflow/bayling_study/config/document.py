"""Generates the configuration's schema and reference from its pydantic models.

``python -m bayling_study.config.document --write`` rewrites the two files;
``--check`` tells whether they are up to date. Nobody edits them by hand, so
what the documentation says is what the code accepts.
"""

import ast
import inspect
import json
import types
import typing
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bayling_study.config.loading import ROOT
from bayling_study.config.model import StudyConfig
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_text

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
REFERENCE = ROOT / "config" / "REFERENCE.md"
HEADER = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")


def schema() -> str:
    """Returns the JSON schema (draft 2020-12) of a config file."""
    return json.dumps(StudyConfig.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def reference() -> str:
    """Returns a Markdown table of keys, types, defaults and meanings for every section."""
    parts: dict[type[BaseModel], str] = {StudyConfig: HEADER}

    def add(title: str, model: type[BaseModel]) -> None:
        if model not in parts:
            parts[model] = _table(title, model)
            for name, field in model.model_fields.items():
                for inner in inner_models(field.annotation):
                    add(f"{title[:-1]}.{name}`", inner)

    for name, field in StudyConfig.model_fields.items():
        models = inner_models(field.annotation)
        for model in models:
            kind = typing.get_args(model.model_fields["kind"].annotation) if len(models) > 1 else ()
            add(f"`{name}.NAME` of kind `{kind[0]}`" if kind else f"`{name}`", model)
    return "\n".join(parts.values())


def inner_models(annotation: Any) -> list[type[BaseModel]]:
    """Returns the models that occur anywhere in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in inner_models(part)]


def explain(model: type[BaseModel]) -> None:
    """Gives the keys of a model, and of those in it, the text below them in the source as their
    description. pydantic could, but would parse these sources at the start of every program."""
    for field in model.model_fields.values():
        for inner in inner_models(field.annotation):
            explain(inner)
    for owner in reversed(model.__mro__[:-2]):
        for key, below in pairwise(ast.parse(inspect.getsource(owner)).body[0].body):  # type: ignore[attr-defined]
            match key, below:
                case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                    model.model_fields[name].description = inspect.cleandoc(text)
    model.model_rebuild(force=True)


explain(StudyConfig)


def _table(title: str, model: type[BaseModel]) -> str:
    rows = [f"## {title}\n", f"{(model.__doc__ or '').strip()}\n"]
    rows += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        kind = _type_name(field.annotation).replace("|", "\\|")
        rows.append(f"| `{name}` | {kind} | {_default(field)} | {meaning} |")
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required" if field.default_factory is None else "(empty)"
    if isinstance(field.default, BaseModel):
        return "see below"
    return f"`{json.dumps(field.default, ensure_ascii=False)}`"


def _type_name(annotation: Any) -> str:
    """Returns a short readable name of a type."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_name(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(_type_name(argument) for argument in arguments)
    if origin is list:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"{_type_name(arguments[0])} to {_type_name(arguments[1])}"
    if inner_models(annotation):
        return "section"
    names = {str: "text", int: "integer", float: "number", bool: "true/false", type(None): "none"}
    return names.get(annotation, str(annotation))


COMMAND_LINE = cli.command(
    __name__,
    action=cli.OneOf(
        write=cli.option("rewrite the files", action="store_true"),
        check=cli.option("fail if they are out of date", action="store_true"),
    ),
)


def main() -> None:
    """Writes or checks the generated files."""
    arguments = COMMAND_LINE.parse_args()
    for path, text in ((SCHEMA, schema()), (REFERENCE, reference())):
        if arguments.write:
            write_text(path, text)
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            raise StudyError("out of date", where=path, fix="make docs")


if __name__ == "__main__":
    cli.run_program(main)
