"""Fills the `{{name}}` of a LOP that is generated with its values, and writes it down as a plain LOP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flatfield.tasks import frontmatter
from flatfield.tasks.located import Node, plain
from flatfield.tasks.source import Lines, right_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.tasks.source import Findings

KEY = "generate"
"""The key of the front matter that names the function which makes the task."""

_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}")


def check(text: str, values: Mapping[str, Any], line: int, found: Findings) -> None:
    """Note each placeholder of a LOP that has no value, and each value that it has no placeholder for.

    `line` is where the function is named.
    """
    lines = Lines.of(text)
    used = set()
    for match in _PLACEHOLDER.finditer(text):
        used.add(match[1])
        if match[1] not in values:
            fix = right_key(match[1], values) if values else "let the function return it"
            found.add(lines.number(match.start()), f"`{match[0]}` has no value", fix)
    for name in values:
        if name not in used:
            found.add(
                line, f"the value `{name}` is never used", f"write `{{{{{name}}}}}` somewhere, or do not return it"
            )


def filled(text: str, matter: Node, values: Mapping[str, Any], *, head: str, extra: Mapping[str, Any]) -> str:
    """The LOP with its values and without the key `generate`; `head` is a comment, `extra` more front matter.

    In the front matter a text that is one placeholder becomes its value, whatever that is (a number, a list, a map); a
    placeholder inside a longer text, and in the body, becomes the value's text.
    """
    entries = {key: _value(plain(entry), values) for key, entry in (matter.map or {}).items() if key != KEY}
    body = text[frontmatter.split(text).body_start :]
    return f"---\n# {head}\n{_yaml({**extra, **entries})}---\n{_text(body, values)}"


def _value(value: object, values: Mapping[str, Any]) -> object:
    if isinstance(value, dict):
        return {_text(key, values): _value(entry, values) for key, entry in value.items()}
    if isinstance(value, list):
        return [_value(item, values) for item in value]
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value)
    return values[whole[1]] if whole else _text(value, values)


def _text(text: str, values: Mapping[str, Any]) -> str:
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)


def _yaml(value: object) -> str:
    """YAML that our reader takes for the same value: texts in quotes or as blocks, unless they are plain words."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
            return True

    def text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
        word = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", data) and isinstance(frontmatter.scalar(data), str)
        # An empty last line would be read as another number of line ends.
        style = "|" if "\n" in data.rstrip("\n") and not data.endswith("\n\n") else None if word else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10**6)
