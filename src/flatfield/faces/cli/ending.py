"""How a command ends: its exit code, and the one sentence that is said when something went wrong."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from flatfield.errors import FlatfieldError, InvalidFiles
from flatfield.faces.cli.codes import BAD_INPUT, BUG, INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

DEBUG = "FLATFIELD_DEBUG"
# Typer's base of usage errors: older ones have it from click, newer ones bring their own.
_USAGE: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; nothing but SystemExit of the interpreter leaves it."""
    if sys.stdout is None:
        return _say("standard output is closed: open it, or send it to a file or to /dev/null", BAD_INPUT)
    if sys.stdin is None:  # closed by whoever started us; nothing can be asked, as at its end
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        _tolerant(stream)
    code = _guarded(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _unwritable(error)
    return code


def _tolerant(stream: TextIO | None) -> None:
    """What the terminal's encoding does not have becomes a question mark, not an error."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _guarded(arguments: Sequence[str]) -> int:
    from flatfield.faces.cli.app import app
    from flatfield.faces.cli.common import Settings

    try:
        command = typer.main.get_command(app)
        obj = Settings(arguments=tuple(arguments))
        with command.make_context("flatfield", list(arguments), obj=obj) as context:
            command.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except _USAGE as error:
        return _misused(error, arguments)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except SystemExit:  # rich's answer to a closed pipe
        return 0
    except Exception as error:  # noqa: BLE001 - whatever is not foreseen is told in one line too
        return _failed(error)
    return 0


def _misused(error: Exception, arguments: Sequence[str]) -> int:
    """An unknown option, a missing argument: the sentence, and where help is."""
    context = getattr(error, "ctx", None)
    text = str(getattr(error, "format_message", lambda: error)())
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(f"{text}\n")
        return BAD_INPUT
    path = context.command_path if context else _path(arguments)
    text = _bad_number(getattr(error, "param", None), arguments) or text.rstrip(".") + _commands(context, text)
    return _say(f"{text}; see: {path} --help", BAD_INPUT)


def _path(arguments: Sequence[str]) -> str:
    """The command that was meant, where the error does not say it."""
    from flatfield.faces.cli.app import app

    command, words = typer.main.get_command(app), ["flatfield"]
    for argument in arguments:
        if argument not in getattr(command, "commands", {}):
            break
        command = command.commands[argument]  # type: ignore[attr-defined]
        words.append(argument)
    return " ".join(words)


def _commands(context: Any, text: str) -> str:  # noqa: ANN401 - typer's own type, or click's in older ones
    """The commands that there are, where one was named that is none and no other one comes close."""
    names = list(getattr(context.command, "commands", {})) if context else []
    return f"; there are: {', '.join(names)}" if names and context.parent and "?" not in text else ""


def _bad_number(parameter: Any, arguments: Sequence[str]) -> str:  # noqa: ANN401 - the same
    """What an option wants where it was given no number, or one out of bounds; "" where it wants none."""
    option = next((name for name in getattr(parameter, "opts", ()) if name.startswith("--")), "")
    given = _given(option, arguments)
    kind = getattr(parameter, "type", None) or parameter  # where older versions of typer keep the bounds
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    described = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    is_whole = described is int or str(getattr(kind, "name", "")).startswith("integer")
    is_number = is_whole or described is float or str(getattr(kind, "name", "")).startswith("float")
    if given is None or not is_number:
        return ""
    number = "a whole number" if is_whole else "a number without a unit"
    bounds = f" from {low:g} to {high:g}" if low is not None and high is not None else ""
    bounds = bounds or (f", {low:g} or more" if low is not None else "")
    return f"{option} is {given!r}: write {number}{bounds}"


def _given(option: str, arguments: Sequence[str]) -> str | None:
    """The value that an option has on the command line."""
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == option and equals:
            return value
        if argument == option and place + 1 < len(arguments):
            return arguments[place + 1]
    return None


def _failed(error: Exception) -> int:
    known = _foreseen(error)
    if isinstance(known, InvalidFiles) and len(known.mistakes) > 1:
        return _say(f"{len(known.mistakes)} mistakes in what was read:\n{known}", BAD_INPUT)
    if known is not None:
        return _say(str(known), BAD_INPUT)
    if isinstance(error, BrokenPipeError):
        # `flatfield … | head` closes the pipe: nothing more can be said.
        _give_up_stdout()
        return 0
    if isinstance(error, OSError) and error.filename is None and not _writes(sys.stdout):
        return _unwritable(error)
    if isinstance(error, FileNotFoundError) and _folder_is_gone():
        return _say("the current folder is no longer there: go to one that is", BAD_INPUT)
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    return _say(f"this is a bug, please report it: {_where(error)} ({DEBUG}=1 shows the traceback)", BUG)


def _folder_is_gone() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _foreseen(error: BaseException) -> FlatfieldError | None:
    """The user's error, also when it comes out of a group of tasks."""
    if isinstance(error, FlatfieldError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = [_foreseen(inner) for inner in error.exceptions]
        return found[0] if found and all(found) else None
    return None


def _where(error: BaseException) -> str:
    """What was raised and where, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}, {frames[-1].name}" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"


def _writes(stream: TextIO) -> bool:
    """Whether more can be written to the stream; a failed write leaves no trace in it, so one newline is tried."""
    try:
        stream.flush()
        os.write(stream.fileno(), b"\n")
    except (OSError, ValueError):
        return False
    return True


def _unwritable(error: OSError) -> int:
    """Standard output is full or gone."""
    _give_up_stdout()
    if isinstance(error, BrokenPipeError):
        return 0
    text = f"standard output cannot be written: {error.strerror}; send it elsewhere (a run that ended is stored)"
    return _say(text, BAD_INPUT)


def _give_up_stdout() -> None:
    """Let the interpreter's own last flush go nowhere, instead of failing once more."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _say(sentence: str, code: int) -> int:
    from flatfield.faces.wording import printable

    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"flatfield: {printable(sentence)}\n")
            sys.stderr.flush()
    return code
