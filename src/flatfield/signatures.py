"""What a tool's parameters ask of a call's arguments, and how that is said: to the tool's user and in its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import ToolSpec

ECHOED_LETTERS = 80
"""Of a name that is none, so much is repeated."""
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class Signature(Struct, frozen=True, kw_only=True):
    """A tool's parameters, made ready for checking; `types` are JSON's words, "" for any value.

    `is_open`: arguments that the parameters do not name are taken too.
    """

    name: str
    types: dict[str, str]
    required: tuple[str, ...]
    is_open: bool

    @property
    def wording(self) -> str:
        """`write_file(file_path, content?)`, with `?` behind arguments that may be left out."""
        return f"{self.name}({', '.join(map(self._marked, self.types))})"

    @property
    def typed(self) -> str:
        """The same with the type of each: `write_file(file_path: string, content?: string)`."""
        return f"{self.name}({', '.join(f'{self._marked(name)}: {self._kind(name)}' for name in self.types)})"

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, where null stands for a left out one.

        Raises:
            ToolError: they do not fit; the text says what is wrong and what is expected.
        """
        arguments = {}
        for name, value in given.items():
            kind = self.types.get(name)
            if kind is None and not self.is_open:
                raise self.refuse(f"there is no argument {name[:ECHOED_LETTERS]!a}")
            if value is None and name not in self.required:
                continue
            if kind in TYPES and type(value) not in TYPES[kind]:
                raise self.refuse(f"{name} must be a JSON {kind}, not {_json_type(value)}")
            arguments[name] = value
        missing = [name for name in self.required if name not in arguments]
        if missing:
            raise self.refuse(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
        return arguments

    def fits(self, given: Mapping[str, Any]) -> bool:
        """Whether these arguments are ones that the tool takes."""
        try:
            self.check(given)
        except ToolError:
            return False
        return True

    def refuse(self, problem: str) -> ToolError:
        """The error that says what is wrong and what is expected."""
        expected = ", ".join(
            f'"{name}": {self._kind(name)}{"" if name in self.required else " (optional)"}' for name in self.types
        )
        return ToolError(f"{problem}; expected: {self.wording} with one JSON object {{{expected}}}")

    def _marked(self, name: str) -> str:
        return name if name in self.required else f"{name}?"

    def _kind(self, name: str) -> str:
        return self.types[name] or "any value"


def signature(spec: ToolSpec) -> Signature:
    """What the tool's JSON Schema asks of arguments."""
    properties: dict[str, Any] = spec.parameters.get("properties", {})
    return Signature(
        name=spec.name,
        types={name: str(schema.get("type", "")) for name, schema in properties.items()},
        required=tuple(spec.parameters.get("required", ())),
        is_open=spec.parameters.get("additionalProperties", True) is not False,
    )


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    return next(name for name, types in TYPES.items() if type(value) in types)
