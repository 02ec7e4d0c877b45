"""Commands in a user's own folder: what is protected there is as it was, whatever a command tries."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.agent.files import shielding
from flatfield.agent.files.changed import Beside, Changed
from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.guarding import Protection
from flatfield.agent.files.protected import table
from flatfield.agent.files.searching import find
from flatfield.agent.tools.run_command import run_shielded
from flatfield.errors import NotReady
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.machine.sandbox.unsafe import UnsafeSandbox
from flatfield.testing.another_user import libraries_for, python_for

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[str, str]]

pytestmark = [pytest.mark.whole, pytest.mark.needs("bwrap")]
SECRET = "the-secret-of-the-user"
KINDS = sorted({(rule.kind, rule.sealed) for rule in table().name})


@pytest.fixture
def root(reachable: Path) -> Path:
    made = reachable / "work"
    made.mkdir(mode=0o755)
    return made


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command as `flatfield run` does; what it printed, and what was put right."""
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))

    def shielded(command: str, **options: object) -> tuple[str, str]:
        protection = Protection(root, **options)  # type: ignore[arg-type]
        result, done = asyncio.run(run_shielded(command, protection, find_sandbox(os.environ), SandboxLimits()))
        return result.output, "\n".join(done)

    return shielded


def write(root: Path, path: str, text: str = SECRET) -> Path:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def state(root: Path) -> dict[str, object]:
    """All but flatfield's own: content or target, mode and owner."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        info = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_text() if path.is_file() else ""
        if not name.startswith(".flatfield"):
            found[name] = (content, info.st_mode, info.st_uid, info.st_gid)
    return found


def names(kind: str, *, sealed: bool) -> list[str]:
    rules = [rule for rule in table().name if (rule.kind, rule.sealed) == (kind, sealed) and not rule.beside]
    return [name.replace("*", "a") for rule in rules for name in rule.names if name != ".flatfield"]


# ------------------------------------------------------------------------ every entry of the list


@pytest.mark.parametrize(("kind", "sealed"), KINDS)
@pytest.mark.some(4)
def test_no_command_changes_what_is_there(kind: str, *, sealed: bool, root: Path, run: Run) -> None:
    wanted = names(kind, sealed=sealed)
    for index, name in enumerate(wanted):
        write(root, f"in/{name}" if index % 2 else f"in/{name}/inner.txt")
    before = state(root)
    script = """
import os, pathlib, shutil, sys
for name in sys.argv[1:]:
    path = pathlib.Path('in', name)
    inner = path / 'inner.txt' if path.is_dir() else path
    for attack in (lambda: inner.write_text('evil'), lambda: inner.open('a').write('evil'), inner.unlink,
                   lambda: (path / 'new').write_text('evil'), lambda: path.rename('moved'), lambda: shutil.rmtree(path),
                   lambda: os.link(inner, 'hard'), lambda: path.chmod(0o777), lambda: os.truncate(inner, 0),
                   lambda: pathlib.Path('other').write_text('evil') and os.rename('other', path),
                   lambda: path.parent.rename('parent')):
        try:
            attack()
        except OSError:
            pass
    try:
        print(inner.read_text())
    except OSError:
        pass
pathlib.Path('in').rename('out') if not pathlib.Path('out').exists() else None
"""
    write(root, "attack.py", script)
    output, done = run(f"python3 attack.py {shlex.join(wanted)}")
    after = state(root)
    for name in ("attack.py", "other", "hard"):
        after.pop(name, None)
    assert after == before
    assert done == ""
    assert (SECRET in output) != sealed or not wanted


@pytest.mark.parametrize(("kind", "sealed"), KINDS)
@pytest.mark.some(4)
def test_what_a_command_makes_under_a_protected_name_is_taken_away_and_said(
    kind: str, *, sealed: bool, root: Path, run: Run
) -> None:
    wanted = names(kind, sealed=sealed)
    commands = []
    for index, name in enumerate(wanted):
        place = f"new/{index}/{name}" if index % 3 else name
        commands.append(f"mkdir -p '{Path(place).parent}'; mkdir '{place}'; echo evil > '{place}/x'")
        commands.append(f"mkdir -p 'filed/{index}/{Path(name).parent}'; echo evil > 'filed/{index}/{name}'")
    write(root, "attack.sh", "\n".join(commands))
    _, done = run("sh attack.sh; echo fine > fine.txt")
    left = {path for path in find(Protection(root)).places if path != (".flatfield",)}
    assert left == set()
    assert (root / "fine.txt").read_text() == "fine\n"
    for name in wanted:
        assert Path(name).name in done or Path(name).parts[0] in done
    assert done.count("was taken away") == 2 * len(wanted)


# ------------------------------------------------------------------------ ways round


def test_parents_cannot_be_moved_and_nothing_is_seen_through_links(root: Path, run: Run) -> None:
    write(root, "a/b/.vscode/tasks.json")
    write(root, "c/.env")
    (root / "link").symlink_to("c/.env")
    output, _ = run("mv a z; mv a/b z; rm -rf a; mv c z; cat link c/.env; ln c/.env e; ln -s c/.env f; cat f e")
    assert (root / "a/b/.vscode/tasks.json").read_text() == SECRET
    assert (root / "c/.env").read_text() == SECRET
    assert SECRET not in output


def test_protected_links_are_restored_and_what_they_lead_to_is_kept(root: Path, run: Run) -> None:
    write(root, "docs/rules.md")
    write(root, "dots/editor/tasks.json")
    write(root, "conf/env")
    (root / "CLAUDE.md").symlink_to("middle")
    (root / "middle").symlink_to("docs/rules.md")
    (root / ".vscode").symlink_to("dots/editor")
    (root / ".env").symlink_to("conf/env")
    before = state(root)
    output, done = run(
        "echo evil > docs/rules.md; echo evil > dots/editor/tasks.json; mv dots d; cat conf/env;"
        "rm CLAUDE.md .env middle; echo evil > CLAUDE.md; echo evil > middle;"
        "rm .vscode; mkdir .vscode; echo evil > .vscode/tasks.json"
    )
    assert state(root) == before
    assert SECRET not in output
    assert done.count("was made again the link that it was") == 4


def test_shapes_are_broken_again_and_nothing_of_the_users_is_lost(root: Path, run: Run) -> None:
    write(root, "data/HEAD", "mine")
    write(root, "half/objects/x", "mine")
    before = state(root)
    _, done = run(
        "mkdir data/objects data/refs; mkdir half/refs; echo x > half/HEAD; git init -q --bare bare.git;"
        "git init -q repo; mkdir env; echo > env/pyvenv.cfg; chmod 0 env repo"
    )
    left = state(root)
    assert {name: left[name] for name in before} == before
    assert not find(Protection(root)).places.keys() - {(".flatfield",)}
    assert "data/objects is protected: with it, data would be protected" in done
    assert "repo/.git is protected" in done


def test_a_private_key_a_token_and_a_listening_program_are_hidden(root: Path, run: Run) -> None:
    import socket

    write(root, "deep/notes.txt", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    url = f"https://me:{SECRET}@git.example/x.git"
    subprocess.run(["git", "-C", str(root), "config", "remote.origin.url", url], check=True)
    (root / "plain").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(root / "plain")
        server.bind("sock")
        server.listen()
        os.chdir(here)
        (root / "plain/sock").chmod(0o777)
        knock = "import socket; socket.socket(socket.AF_UNIX).connect('plain/sock'); print('reached')"
        output, _ = run(f'cat deep/notes.txt .git/config; python3 -c "{knock}"; git status --short; echo end')
    assert SECRET not in output
    assert "reached" not in output
    assert "?? deep/" in output, "git works on the repository that it cannot change"
    assert output.endswith("end\n")


def test_what_a_user_opened_may_be_changed_by_commands_too(root: Path, run: Run) -> None:
    write(root, "AGENTS.md")
    write(root, "CLAUDE.md")
    _, done = run("echo new > AGENTS.md; echo new > CLAUDE.md; mkdir .husky", allow=["AGENTS.md", ".husky"])
    assert ((root / "AGENTS.md").read_text(), (root / "CLAUDE.md").read_text()) == ("new\n", SECRET)
    assert (root / ".husky").is_dir()
    assert done == ""


def test_what_was_taken_away_is_kept_for_the_user(root: Path, run: Run) -> None:
    _, done = run("mkdir .git; echo mine > .git/config")
    assert ".git is protected: git runs the hooks" in done
    [kept] = (root / ".flatfield" / shielding.TAKEN).rglob("config")
    assert kept.read_text() == "mine\n"
    assert (root / ".flatfield" / ".gitignore").read_text() == "*\n"
    assert run("ls .flatfield")[0] == ""


def test_a_folder_too_deep_to_be_looked_into_is_taken_away(root: Path, run: Run) -> None:
    _, done = run("python3 -c \"import os\nfor _ in range(150): os.mkdir('d'); os.chdir('d')\nos.mkdir('.git')\"")
    assert "too deep to be looked into" in done
    assert not find(Protection(root)).deep


def test_what_lies_there_already_does_not_count_against_the_limits(root: Path) -> None:
    write(root, "big", "x" * 3_000_000)
    limits = SandboxLimits(workspace_bytes=1_000_000, workspace_files=1)
    work = run_shielded("sleep 0.2; echo end", Protection(root), find_sandbox(os.environ), limits)
    result, _ = asyncio.run(work)
    assert (result.exit_code, result.stopped) == (0, "")


async def test_commands_of_several_agents_run_one_after_the_other(root: Path) -> None:
    sandbox, limits = find_sandbox(os.environ), SandboxLimits()
    command = "test ! -e busy && echo > busy && sleep 0.3 && rm busy && echo alone"
    works = [run_shielded(command, Protection(root), sandbox, limits) for _ in range(3)]
    assert [result.output for result, _ in await asyncio.gather(*works)] == ["alone\n"] * 3


async def test_a_command_that_is_cancelled_leaves_nothing_protected(root: Path) -> None:
    command = "mkdir .git; echo > made; sleep 60"
    work = asyncio.create_task(run_shielded(command, Protection(root), find_sandbox(os.environ), SandboxLimits()))
    async with asyncio.timeout(60):
        while not (root / "made").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not (root / ".git").exists()


# ------------------------------------------------------------------------ where commands are refused


async def test_without_mounts_there_are_no_commands(root: Path) -> None:
    with pytest.raises(NotReady, match="without a sandbox, commands in your own folder could change"):
        await run_shielded("true", Protection(root), UnsafeSandbox({}), SandboxLimits())


@pytest.mark.parametrize(
    ("place", "words"),
    [("", "all over it"), ("apps/web/", r"\d+ of them in apps/web"), ("a/b/x/y/", r"\d+ of them in a/b/x/y")],
)
def test_too_many_places_are_said_with_the_folder_that_holds_most(root: Path, place: str, words: str) -> None:
    for index in range(shielding.MOUNTS_MAX // 2 + 1):
        write(root, f"{place}{index}/.npmrc")
    write(root, "other/.npmrc")
    with pytest.raises(NotReady, match=rf"too many places .*, {words}; name a smaller folder"):
        shielding.mounts(shielding.prepare(Protection(root)))


@pytest.mark.slow
def test_hundreds_of_packages_with_their_own_installed_ones_are_kept(root: Path, run: Run) -> None:
    for index in range(260):
        write(root, f"packages/p{index}/node_modules/x/index.js")
    before = state(root)
    output, done = run(
        "mv packages/p7 packages/moved; mv packages p; rm -rf packages/p259; echo evil > packages/p0/node_modules/x/y;"
        "rmdir packages/p5/node_modules; echo fine > packages/p3/own.js"
    )
    after = state(root)
    assert after.pop("packages/p3/own.js")[0] == "fine\n"  # type: ignore[index]
    assert after == before
    assert done == ""
    assert "busy" in output.lower()


async def test_a_folder_of_flatfields_own_that_is_none_is_said(root: Path) -> None:
    write(root, ".flatfield")
    with pytest.raises(NotReady, match="is not a folder"):
        await run_shielded("true", Protection(root), find_sandbox(os.environ), SandboxLimits())


# ------------------------------------------------------------------------ whose files they are

ORDINARY = 60_998
AS_ANOTHER_USER = """
import asyncio, os, sys
from pathlib import Path
from flatfield.agent.files.guarding import Protection
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.agent.tools.run_command import run_shielded
root = Path(sys.argv[1])
result, done = asyncio.run(run_shielded(sys.argv[2], Protection(root), find_sandbox(os.environ), SandboxLimits()))
print(result.output, *done, sep="\\n")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_is_protected_too(root: Path, reachable: Path) -> None:
    write(root, ".env")
    write(root, "a/.vscode/tasks.json")
    write(root, "closed/.git/config")
    (root / "CLAUDE.md").symlink_to("a/x")
    home = reachable / "home"
    home.mkdir()
    for path in (home, root, *root.rglob("*")):
        os.chown(path, ORDINARY, ORDINARY, follow_symlinks=False)
    (root / "closed").chmod(0)
    python, libraries = python_for(ORDINARY, reachable / "python"), libraries_for(ORDINARY, reachable / "libraries")
    command = (
        "cat .env; echo evil > a/.vscode/tasks.json; mv a b; chmod 777 closed; cat closed/.git/config;"
        "echo x > closed/y; rm CLAUDE.md; mkdir -p n/.git; chmod 0 n; id -u"
    )
    drop = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "--"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": os.pathsep.join(libraries)}
    environ["LD_LIBRARY_PATH"] = str(Path(python).parents[1] / "lib")
    argv = [*drop, python, "-P", "-c", AS_ANOTHER_USER, str(root), command]
    done = subprocess.run(argv, env=environ, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout
    assert "n/.git is protected" in done.stdout
    assert "CLAUDE.md is protected" in done.stdout
    assert (root / "closed").stat().st_mode & 0o777 == 0
    assert (root / "closed/.git/config").read_text() == SECRET
    assert not (root / "closed/y").exists()
    assert (root / "a/.vscode/tasks.json").read_text() == SECRET
    assert (root / "CLAUDE.md").is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends")
def test_protected_files_never_change_their_owner_and_the_rest_is_given_back(root: Path, run: Run) -> None:
    write(root, ".git/config", "x")
    write(root, "theirs.txt")
    os.chown(root / "theirs.txt", 1234, 5678)
    before = state(root)
    output, _ = run("stat -c %u:%n .git .git/config theirs.txt; echo > new.txt")
    assert "65534:.git\n65534:.git/config\n1000:theirs.txt\n" in output  # nobody's, and the sandbox's own
    after = state(root)
    assert {name: after[name] for name in before} == before
    assert (root / "new.txt").stat().st_uid == 0


KILLED = """
import asyncio, os, sys
from pathlib import Path
from flatfield.agent.files.guarding import Protection
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.agent.tools.run_command import run_shielded
work = run_shielded("echo > made; sleep 60", Protection(Path(sys.argv[1])), find_sandbox(os.environ), SandboxLimits())
asyncio.run(work)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends")
def test_what_a_killed_process_had_lent_is_given_back(root: Path, run: Run, tmp_path: Path) -> None:
    write(root, "theirs.txt")
    write(root, ".env")
    os.chown(root / "theirs.txt", 1234, 5678)
    before = state(root)
    environ = {**os.environ, "FLATFIELD_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen([sys.executable, "-c", KILLED, str(root)], env=environ) as process:
        while not (root / "made").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert state(root)[".env"] == before[".env"]
    assert (root / "theirs.txt").stat().st_uid >= 60_000, "it was killed too late"
    run("true")
    after = state(root)
    assert {name: after[name] for name in before} == before
    assert after["made"][2] == 0  # type: ignore[index]


async def test_a_command_is_not_credited_with_what_another_agent_wrote_meanwhile(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nor with flatfield's own files; what it did to another's file afterwards is its own doing."""
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    beside = Beside()
    mine, other = (Changed(beside=beside, root=str(root)) for _ in range(2))
    protections = [Protection(root) for _ in range(2)]
    command = "echo x > mine.txt; until [ -e go ]; do sleep 0.02; done; rm touched.txt; echo more > touched.txt"
    with (
        ConfinedFiles(root, protection=protections[0], changed=mine) as my_files,
        ConfinedFiles(root, protection=protections[1], changed=other) as other_files,
    ):
        running = asyncio.create_task(
            run_shielded(command, protections[0], find_sandbox(os.environ), SandboxLimits(), my_files)
        )
        while not (root / "mine.txt").exists() and not running.done():  # noqa: ASYNC110 - the sandbox's own process
            await asyncio.sleep(0.01)
        other_files.write_bytes("theirs.txt", b"theirs")
        other_files.write_bytes("touched.txt", b"theirs")
        write(root, ".flatfield/store.db")
        other_files.write_bytes("go", b"")
        await running
    assert [change.path for change in mine.listed()] == ["mine.txt", "touched.txt"]
    assert [change.path for change in other.listed()] == ["go", "theirs.txt", "touched.txt"]
