"""The directive `settings-table`: names, defaults and meaning of settings, from their classes."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator
from typing import Any

import yaml
from docstring_parser import DocstringStyle, parse
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

REQUIRED = "(required)"
ALIKE = 3
"""Values for so many axes or more are shown as one where they are equal."""


class SettingsTable(SphinxDirective):
    """One table per group of settings, below the dataclass that the argument names.

    Options:
        prefix: What the names begin with, as a file of settings nests them.
        elsewhere: Fields whose own settings are described on another page, apart by spaces.
    """

    required_arguments = 1
    option_spec = {"prefix": directives.unchanged, "elsewhere": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """The tables."""
        module, _, name = self.arguments[0].rpartition(".")
        settings = getattr(importlib.import_module(module), name)
        elsewhere = set(self.options.get("elsewhere", "").split())
        tables = group_tables(settings, self.options.get("prefix", ""), elsewhere)
        return self.parse_text_to_nodes("\n".join(tables))


def group_tables(settings: type[Any], prefix: str, elsewhere: set[str]) -> Iterator[str]:
    """The tables of a dataclass and of the groups below it, as reStructuredText.

    Raises:
        ValueError: A field has no line under `Attributes:` in the docstring of its class.
    """
    described = _descriptions(settings)
    rows, groups = [], []
    for field in dataclasses.fields(settings):
        if field.name not in described:
            raise ValueError(f"{settings.__name__}: describe {field.name} under `Attributes:`.")
        default = _default(field)
        if is_group(default) and field.name not in elsewhere:
            groups.append((f"{prefix}{field.name}.", type(default)))
            shown = "a group, see below"
        else:
            shown = "a group" if is_group(default) else f"``{as_written(default)}``"
        rows.append((f"``{prefix}{field.name}``", shown, described[field.name]))
    summary = parse(settings.__doc__ or "", DocstringStyle.GOOGLE)
    title = f"``{prefix.rstrip('.')}``" if prefix else settings.__name__
    yield f".. rubric:: {title}\n\n{_paragraphs(summary)}\n\n{_list_table(rows)}\n"
    for group_prefix, group in groups:
        yield from group_tables(group, group_prefix, elsewhere)


def is_group(value: object) -> bool:
    """Whether a default is a group of settings, all of which have defaults, and no single value."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return False
    fields = dataclasses.fields(value)
    return all(_default(field) is not REQUIRED for field in fields)


def as_written(value: object) -> str:
    """A default as a file of settings writes it; equal values of several axes as one."""
    if value is REQUIRED:
        return REQUIRED
    text = yaml.safe_dump(_plain(value), default_flow_style=True, width=1000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        content = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return list(content.values()) if content.keys() == {"low", "high"} else content
    if isinstance(value, tuple):
        items = [_plain(item) for item in value]
        alike = len(items) >= ALIKE and all(item == items[0] for item in items)
        return items[0] if alike else items
    return value


def _default(field: dataclasses.Field[Any]) -> object:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED


def _descriptions(settings: type[Any]) -> dict[str, str]:
    """What the docstring says of each field, in one line each; `None` as files write it."""
    docstring = parse(settings.__doc__ or "", DocstringStyle.GOOGLE)
    return {param.arg_name: _line(param.description or "") for param in docstring.params}


def _line(text: str) -> str:
    return " ".join(text.split()).replace("`None`", "`null`")


def _paragraphs(docstring: Any) -> str:
    parts = (docstring.short_description, docstring.long_description)
    return "\n\n".join(part for part in parts if part)


def _list_table(rows: list[tuple[str, str, str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 30 20 50", ""]
    for row in (("setting", "default", "meaning"), *rows):
        for index, cell in enumerate(row):
            lines.append(f"   {'* -' if index == 0 else '  -'} {cell}")
    return "\n".join(lines)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("settings-table", SettingsTable)
    return {"parallel_read_safe": True}
