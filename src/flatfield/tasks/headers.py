"""An agent's own headers: which of them hold keys, and the variables that their values name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.tasks.located import Node
    from flatfield.tasks.source import Findings

_SECRET = re.compile(r"auth|cookie|key|passw|secret|signature|token", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_secret(header: str) -> bool:
    """Whether a header's name says that it holds a key: authorization, x-api-key, cookie, any token or secret."""
    return _SECRET.search(header) is not None


def variables(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that values name as `${NAME}`, each once."""
    return tuple(dict.fromkeys(name for value in headers.values() for name in _VARIABLE.findall(value)))


def filled(headers: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The headers as they are sent, with what the variables hold.

    Raises:
        KeyError: a variable is not set, or empty; its argument is the variable's name.
    """

    def value_of(match: re.Match[str]) -> str:
        value = environ.get(match[1], "").strip()
        if not value:
            raise KeyError(match[1])
        return value

    return {name: _VARIABLE.sub(value_of, value) for name, value in headers.items()}


def look_at(node: Node, headers: Mapping[str, str], found: Findings) -> None:
    """Finds keys that stand in the file, where runs would keep them, and variables that cannot be any."""
    for name, value in headers.items():
        line = (node.map or {})[name].line
        named = _VARIABLE.findall(value)
        if any(not _NAME.fullmatch(variable) for variable in named):
            found.add(line, f"the header `{name}` names what cannot be an environment variable", "write ${NAME}")
        elif is_secret(name) and not named:
            # The value must not be printed: it may be the key.
            fix = f'name the variable that holds it: {name} = "${{NAME}}", after a word such as Bearer if it needs one'
            found.add(line, f"the header `{name}` holds a key, which would be stored with every run", fix)
