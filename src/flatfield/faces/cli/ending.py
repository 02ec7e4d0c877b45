"""How a command ends: signals, exit codes, the one sentence that says what went wrong, and what is said beside it."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

import typer

from flatfield.errors import FlatfieldError, InvalidFiles
from flatfield.saying import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import FrameType


# The exit codes of all commands.


GATE_FAILED = 1
BAD_INPUT = 2
NOT_MEASURED = 3
BUG = 70
"""A bug in flatfield: EX_SOFTWARE of sysexits.h."""
INTERRUPTED = 130


# Signals while something runs: the first one ends it cleanly, the second one at once; a terminal may be gone.


ALWAYS = (signal.SIGINT, signal.SIGTERM)
UNLESS_IGNORED = (signal.SIGHUP, signal.SIGQUIT)
"""Who starts a command with `nohup` or in the background has these ignored on purpose."""
ONE_HANGUP_SECONDS = 5.0
"""A terminal that closes may say so twice: the shell once, the kernel once when the shell has ended."""
_SHOW_CURSOR = "\x1b[?25h"
_STDERR = 2
_OUTPUTS = (1, _STDERR)


@contextmanager
def interruptible(stop: Callable[[], object], now: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Inside a running event loop: call `stop` on the first signal, leave the process on the second.

    What was stored stays stored, and child processes end with this one. When the terminal is gone, what is written to
    it goes nowhere from then on, so that what runs can be ended and stored all the same.
    """
    loop = asyncio.get_running_loop()
    ended = [number for number in UNLESS_IGNORED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in ended}
    hung_up_at: float | None = None

    def first(number: signal.Signals) -> None:
        nonlocal hung_up_at
        if number is signal.SIGHUP:
            hung_up_at = now()
        _forget_lost_outputs()
        for each in (*ALWAYS, *ended):
            loop.remove_signal_handler(each)
            signal.signal(each, second)
        stop()

    def second(number: int, _frame: FrameType | None) -> None:
        same = hung_up_at is not None and now() - hung_up_at < ONE_HANGUP_SECONDS
        if number != signal.SIGHUP or not same:
            _leave()

    for number in (*ALWAYS, *ended):
        loop.add_signal_handler(number, first, number)
    try:
        yield
    finally:
        for number in (*ALWAYS, *ended):
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget_lost_outputs() -> None:
    """Let what is written to a terminal that is gone, or to a pipe that nobody reads, go nowhere."""
    for number in _OUTPUTS:
        try:
            os.write(number, b"")
        except OSError:
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)


def _leave() -> NoReturn:
    """End without waiting for anything: the loop may be the very thing that hangs."""
    with suppress(OSError):
        cursor = _SHOW_CURSOR if os.isatty(_STDERR) else ""
        os.write(_STDERR, f"{cursor}\nflatfield: ended at once; what was finished is stored\n".encode())
    os._exit(INTERRUPTED)


# What is said beside the result: when nobody is left to read it, that costs no result.


def forgiving(stream: TextIO | None) -> TextIO:
    """The stream, but what cannot be written to it is dropped: its terminal or its reader is gone, or it is closed."""
    if stream is None:
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - lives as long as the process
    return cast("TextIO", _Forgiving(stream))


class _Forgiving:
    """All that a text stream is, but writing never fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write it, or drop it."""
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write them, or drop them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush as far as that goes."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def fileno(self) -> int:
        """The descriptor.

        Raises:
            io.UnsupportedOperation: there is none any more.
        """
        try:
            return self._stream.fileno()
        except ValueError as error:
            raise io.UnsupportedOperation(str(error)) from None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)


# ---------------------------------------------------------------------------- one sentence, and the exit code


DEBUG = "FLATFIELD_DEBUG"
# Typer's base of usage errors: older ones have it from click, newer ones bring their own.
_USAGE: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def run_command(arguments: Sequence[str], load: Callable[[Sequence[str]], typer.Typer]) -> int:
    """Run one command and return its exit code; nothing but SystemExit of the interpreter leaves it."""
    if sys.stdout is None:
        return _say("standard output is closed: open it, or send it to a file or to /dev/null", BAD_INPUT)
    if sys.stdin is None:  # closed by whoever started us; nothing can be asked, as at its end
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        _tolerant(stream)
    code = _guarded(arguments, load)
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


def _guarded(arguments: Sequence[str], load: Callable[[Sequence[str]], typer.Typer]) -> int:
    from flatfield.faces.cli.common import CommandSettings

    command = None
    try:
        command = typer.main.get_command(load(arguments))
        obj = CommandSettings(arguments=tuple(arguments))
        with command.make_context("flatfield", list(arguments), obj=obj) as context:
            command.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except _USAGE as error:
        return _misused(error, command, arguments)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except SystemExit:  # rich's answer to a closed pipe
        return 0
    except Exception as error:  # noqa: BLE001 - whatever is not foreseen is told in one line too
        return _failed(error)
    return 0


def _misused(error: Exception, command: Any, arguments: Sequence[str]) -> int:  # noqa: ANN401 - typer's own type
    """An unknown option, a missing argument: the sentence, and where help is."""
    context = getattr(error, "ctx", None)
    text = str(getattr(error, "format_message", lambda: error)())
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(f"{text}\n")
        return BAD_INPUT
    path = context.command_path if context else _path(command, arguments)
    text = _bad_number(getattr(error, "param", None), arguments) or text.rstrip(".") + _commands(context, text)
    return _say(f"{text}; see: {path} --help", BAD_INPUT)


def _path(command: Any, arguments: Sequence[str]) -> str:  # noqa: ANN401 - the same
    """The command that was meant, where the error does not say it."""
    words = ["flatfield"]
    for argument in arguments:
        if argument not in getattr(command, "commands", {}):
            break
        command = command.commands[argument]
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
    bounds = f" from {written(low)} to {written(high)}" if low is not None and high is not None else ""
    bounds = bounds or (f", {written(low)} or more" if low is not None else "")
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
