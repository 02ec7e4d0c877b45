"""Attacks that a model's command may try, each tried in earnest, on a harness of root's and on an ordinary user's."""

# ruff: noqa: E501 - attacks are scripts, easier to read as they would be typed
from __future__ import annotations

import os
import secrets
import select
import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.openat import discard
from flatfield.agent.workspace import changes, snapshot

pytestmark = [pytest.mark.whole, pytest.mark.needs("bwrap")]
MB = 1024**2
Harness = Any  # conftest.py's, which no test can import


@pytest.fixture
def work(harness: Harness) -> Path:
    workspace: Path = harness.workspace()
    return workspace


# ------------------------------------------------------------------------ secrets


def test_secrets_of_the_host_cannot_be_read(harness: Harness, work: Path) -> None:
    (work / "in-memory.py").write_text(SCAN_MEMORY)
    home, other = harness.home, work.parent / "other"
    places = f"{home}/.ssh/id_ed25519 {home}/.env {other}/answer.txt ../other/answer.txt ~/.ssh/id_ed25519"
    command = (
        f"cat {places} /root/.ssh/* /home/*/.ssh/* /etc/shadow /proc/*/environ; ls /proc/*/root/{home} /proc/*/cwd/..;"
        f"for p in /proc/[0-9]*; do cat $p/root{home}/.env $p/cwd/../other/answer.txt; done; python3 in-memory.py; echo end"
    )
    result = harness.run(command, work)
    assert "processes read\nend\n" in result.output
    assert "PLANTED" not in result.output.replace("PLANTED_API", "").replace(str(home), "")
    assert "root:" not in result.output


SCAN_MEMORY = """
import glob, re
wanted, seen = re.compile(b'PLAN' b'TED-[0-9a-f]{32}'), 0
for maps in glob.glob('/proc/[0-9]*/maps'):
    try:
        with open(maps) as lines, open(maps.replace('maps', 'mem'), 'rb') as memory:
            for line in lines:
                start, end = (int(part, 16) for part in line.split()[0].split('-'))
                if 'r' in line.split()[1] and end - start < 1 << 23:
                    try:
                        memory.seek(start)
                        for found in wanted.findall(memory.read(end - start)):
                            print(found)
                    except (OSError, ValueError, OverflowError):
                        pass
        seen += 1
    except OSError:
        pass
print('memory of', seen, 'processes read')
"""


def test_nothing_outside_the_workspace_can_be_written(harness: Harness, work: Path) -> None:
    other = work.parent / "other" / "answer.txt"
    (work.parent / "other").chmod(0o777)
    other.chmod(0o666)
    places = [other, harness.home / "x", "/usr/x", "/etc/passwd", "/x", "/opt/tools/x", "/dev/x", "/run/x", "/var/x"]
    places += ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger", "/sys/x", "../y"]
    places += ["/proc/1/root/x", "/proc/1/oom_score_adj/x", "/opt/tools/packages/pytest/__init__.py"]
    script = "".join(
        f"try:\n open({str(place)!r}, 'a').write('x'); print({str(place)!r})\nexcept OSError: pass\n"
        for place in places
    )
    assert harness.attack(script, work).output == ""
    assert other.read_text() == harness.secret
    assert sorted(path.name for path in work.parent.iterdir()) == ["mine", "other"]


# ------------------------------------------------------------------------ network and sockets


KNOCK = """
import socket, sys
for kind, address in {addresses!r}:
    for type in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(kind, type) as link:
                link.settimeout(0.5)
                link.connect(tuple(address) if isinstance(address, list) else address)
                if type == socket.SOCK_DGRAM:
                    link.send(b'knock'); continue
                print('reached', address)
        except OSError as error:
            pass
        except OverflowError:
            pass
print('end')
"""


def test_no_address_of_the_host_or_beyond_can_be_reached(harness: Harness, work: Path) -> None:
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        port = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("0.0.0.0", port))
        local, abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        path = work / "planted.sock"  # even one that lies in the workspace's own folder on the host, beside it too
        local.bind(str(harness.home / "listening"))
        (harness.home / "listening").chmod(0o777)
        abstract.bind(f"\0{path.name}{secrets.token_hex(4)}")
        for listener in (local, abstract):
            listener.listen()
        ours = [line.split()[3].split("/")[0] for line in _addresses()]
        hosts = ["127.0.0.1", "10.0.0.1", "172.17.0.1", "192.168.1.1", "169.254.169.254", "1.1.1.1", *ours]
        addresses: list[tuple[int, object]] = [(socket.AF_INET, [host, port]) for host in hosts]
        addresses += [(socket.AF_INET6, ["::1", port]), (socket.AF_INET6, ["2606:4700:4700::1111", 53])]
        unix = [
            str(harness.home / "listening"),
            "/var/run/docker.sock",
            "/run/podman/podman.sock",
            "/run/systemd/private",
        ]
        addresses += [(socket.AF_UNIX, name) for name in (*unix, abstract.getsockname().decode())]
        addresses += [(40, [cid, 1]) for cid in (0, 1, 2, 3)]
        result = harness.attack(KNOCK.format(addresses=[(int(kind), address) for kind, address in addresses]), work)
        assert result.output == "end\n"
        assert select.select([tcp, udp, local, abstract], [], [], 0)[0] == []
    (harness.home / "listening").unlink()


def _addresses() -> list[str]:
    done = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, check=False, text=True)
    return done.stdout.splitlines()


def test_a_socket_in_the_workspace_leads_to_the_sandbox_alone(harness: Harness, work: Path) -> None:
    script = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('left.sock')\ns.listen()\nprint('listening')"
    assert harness.attack(script, work).output == "listening\n"
    with socket.socket(socket.AF_UNIX) as link, pytest.raises(ConnectionRefusedError):
        link.connect(str(work / "left.sock"))


# ------------------------------------------------------------------------ using it all up


def test_a_fork_bomb_is_bounded_and_leaves_nothing(harness: Harness, work: Path) -> None:
    command = "bomb() { bomb | bomb & }; bomb; exec sleep 600"
    result = harness.run(command, work, wall_seconds=1, processes=60)
    assert result.exit_code != 0
    assert harness.survivors(work) == []
    assert harness.run("echo alive", work).output == "alive\n"


def test_four_gigabytes_in_one_process_are_refused(harness: Harness, work: Path) -> None:
    result = harness.attack("print(len(b'x' * (4 << 30)))", work)
    assert "MemoryError" in result.output


MANY = "import os, signal\nfor _ in range(8):\n    if os.fork() == 0:\n        kept = b'x' * 90_000_000; signal.pause()\nsignal.pause()"
SHARED = """
import mmap, os, signal
for _ in range(8):
    if os.fork() == 0:
        kept = mmap.mmap(-1, 90_000_000)
        kept.write(b'x' * 90_000_000)
        kept.madvise(mmap.MADV_DONTNEED)
        signal.pause()
signal.pause()
"""
EMPTY_FILES = "import itertools\nfor n in itertools.count():\n    open(f'/tmp/{n}', 'w').close()"


@pytest.mark.parametrize(
    ("script", "limit"),
    [(MANY, 300), (SHARED, 300), (EMPTY_FILES, 60)],
    ids=["private", "shared, not shown", "empty files"],
)
@pytest.mark.some(2)
def test_memory_spread_over_processes_or_hidden_is_counted_together(
    harness: Harness, work: Path, script: str, limit: int
) -> None:
    result = harness.attack(script, work, memory_bytes=limit * MB)
    assert result.stopped == f"its processes used more than {limit} MB of memory together"
    assert (result.exit_code, result.timed_out) == (None, False)
    assert harness.survivors(work) == []


def test_processes_that_share_memory_are_not_charged_twice(harness: Harness, work: Path) -> None:
    script = (
        "import os, time\nkept = b'x' * 150_000_000\nchildren = [os.fork() for _ in range(1)]\n"
        "if 0 in children:\n    time.sleep(0.5); os._exit(0)\nos.wait(); print('done')"
    )
    result = harness.attack(script, work, memory_bytes=250 * MB)
    assert (result.output, result.stopped) == ("done\n", "")


@pytest.mark.parametrize(
    "script",
    [
        "import os; os.memfd_create('hidden')",
        "import ctypes\nif ctypes.CDLL(None, use_errno=True).shmget(0, 1 << 20, 0o1600) < 0: raise OSError(ctypes.get_errno(), '')",
        "import socket; socket.socket(socket.AF_VSOCK)",
        "import ctypes, os\nif ctypes.CDLL(None).unshare(0x10000000): raise OSError",
        "import ctypes, os\nif ctypes.CDLL(None).syscall(425, 1, 0) < 0: raise OSError",
    ],
    ids=["memory file", "System V memory", "vsock", "user namespace", "io_uring"],
)
def test_what_would_go_past_the_limits_or_namespaces_is_refused(harness: Harness, work: Path, script: str) -> None:
    result = harness.attack(script, work)
    assert result.exit_code == 1
    assert "Error" in result.output.splitlines()[-1]


def test_a_file_of_a_gigabyte_and_a_sparse_one_of_a_terabyte_are_cut(harness: Harness, work: Path) -> None:
    result = harness.run("head -c 1073741824 /dev/zero > big; truncate -s 1T sparse; ls -s", work)
    assert result.exit_code == 0
    assert (work / "big").stat().st_size <= 64 * MB
    assert not (work / "sparse").exists() or (work / "sparse").stat().st_size <= 64 * MB


def test_a_full_tmp_is_full_for_that_command_alone(harness: Harness, work: Path) -> None:
    command = (
        "for d in /tmp /dev/shm; do for n in 1 2 3 4 5 6; do head -c 60000000 /dev/zero > $d/$n; done; du -sm $d; done"
    )
    result = harness.run(command, work)
    sizes = [
        int(line.split()[0]) for line in result.output.splitlines() if line.split()[1:] in (["/tmp"], ["/dev/shm"])
    ]
    assert [size <= 257 for size in sizes] == [True, True]
    assert "No space left" in result.output
    assert harness.run("ls -A /tmp /dev/shm", work).output == "/dev/shm:\n\n/tmp:\n"


FILL = "import itertools\nfor n in itertools.count():\n    open(f'{n}.bin', 'wb').write(b'x' * 8_000_000)"
UNLINKED = "import itertools, os\nkept = []\nfor n in itertools.count():\n    kept.append(open('x', 'wb')); os.unlink('x'); kept[-1].write(b'x' * 8_000_000)\n    if n > 400: kept.clear()"
CLOSED = "import itertools, os\nos.mkdir('d'); f = os.open('d', 0); os.chdir('d')\nos.chmod('.', 0o300)\nfor n in itertools.count():\n    open(f'{n}.bin', 'wb').write(b'x' * 8_000_000)"


@pytest.mark.parametrize("script", [FILL, UNLINKED, CLOSED], ids=["files", "files without a name", "a closed folder"])
@pytest.mark.some(3)
def test_a_workspace_cannot_be_filled(harness: Harness, work: Path, script: str) -> None:
    result = harness.attack(script, work, workspace_bytes=100 * MB)
    assert result.stopped == "the workspace holds more than 100 MB"
    assert sum(path.stat().st_blocks for path in work.rglob("*")) * 512 < 1000 * MB
    assert harness.run("chmod 700 d 2>/dev/null; rm -rf d *.bin; echo room", work).output == "room\n"
    assert harness.survivors(work) == []


def test_a_hundred_thousand_files_are_stopped(harness: Harness, work: Path) -> None:
    script = "for n in range(100_000): open(str(n), 'w').close()\nprint('all')\nwhile True: pass"
    result = harness.attack(script, work, workspace_files=3_000)
    assert result.stopped == "the workspace holds more than 3,000 files and folders"
    discard(work)


# ------------------------------------------------------------------------ outliving, privileges


OUTLIVE = """
import os, signal, sys, time
lock = open('lock', 'w')
import fcntl; fcntl.flock(lock, fcntl.LOCK_EX); os.set_inheritable(lock.fileno(), True)
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
        os.chdir('/'); os.close(0); os.close(1); os.close(2)
        while True: time.sleep(60)
os.system("nohup setsid sleep 600 >/dev/null 2>&1 & trap '' TERM HUP INT; (sleep 600 &) ; echo sleep 600 | at now")
print('begun', flush=True)
"""


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param("", id="returns"),
        pytest.param("while True: time.sleep(60)", id="is stopped", marks=pytest.mark.slow),
    ],
)
def test_nothing_outlives_its_command(harness: Harness, work: Path, ending: str) -> None:
    result = harness.attack(OUTLIVE + ending, work, wall_seconds=5)
    assert "begun" in result.output
    assert result.timed_out == bool(ending)
    assert subprocess.run(["flock", "--nonblock", work / "lock", "true"], check=False).returncode == 0
    assert harness.survivors(work) == []


def test_privileges_cannot_be_gained(harness: Harness, work: Path) -> None:
    for name in ("setuid", "setgid"):
        (work / name).write_bytes(Path("/usr/bin/id").read_bytes())
    (work / "setuid").chmod(0o4755)
    (work / "setgid").chmod(0o2755)
    command = (
        "./setuid; ./setgid; unshare -Ur id -u; unshare -r true; su -c id; mount -t tmpfs none /tmp; mknod d b 8 0; chroot / id;"
        "for f in $(find /usr -xdev -perm -4000 -type f); do echo $f; done | head -3; ln -s /proc/1/exe x; echo 1 > /proc/1/uid_map"
    )
    result = harness.run(command, work)
    assert "uid=0" not in result.output
    assert result.output.count("uid=1000") == 2
    assert "euid" not in result.output
    assert "egid" not in result.output
    assert not (work / "d").exists()


def test_a_forged_status_does_not_mislead_the_harness(harness: Harness, work: Path) -> None:
    script = (
        "import glob, os\nfor path in glob.glob('/proc/1/fd/*'):\n    try:\n        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)\n"
        "        os.write(fd, b'{\"child-pid\": 1}\\n{\"exit-code\": 0}\\nrubbish\\n' + b'x' * 50000)\n    except OSError: pass\nos._exit(7)"
    )
    assert harness.attack(script, work).exit_code == 7


# ------------------------------------------------------------------------ what is left for the harness to stumble over


LEAVE = r"""
mkdir -p a/b; ln -s ../.. a/b/loop; ln -s loop2 loop1; ln -s loop1 loop2
ln -s SECRET link; ln -s HOME folder; mkfifo fifo; echo x > one; ln one two; ln -s /dev/zero zero; mknod device c 1 5
python3 - <<'END'
import os, socket
socket.socket(socket.AF_UNIX).bind('socket')
open(b'new\nline', 'w').write('x'); open(b'not-utf8-\xff\xfe', 'w').write('x'); open('-rf', 'w').write('x')
with open('sparse', 'wb') as f: f.truncate(60_000_000)
for _ in range(600):
    os.mkdir('deep'); os.chdir('deep')
END
chmod 0 a/b; echo end
"""


def test_what_is_left_is_neither_followed_nor_waited_for(harness: Harness, work: Path) -> None:
    secret = harness.home / ".ssh" / "id_ed25519"
    owner = harness.inside if harness.user == 0 else None
    with ConfinedFiles(work, owner=owner) as files:
        before = snapshot(files)
        script = LEAVE.replace("SECRET", str(secret)).replace("HOME", str(harness.home))
        assert harness.run(script, work).output.endswith("end\n")
        found = changes(before, files)
        for name in ("link", "folder/.env", "zero", "fifo", "socket", "loop1", "a/b/loop/../x"):
            with pytest.raises(Exception, match=r".") as caught:
                files.read_bytes(name, limit_bytes=1000)
            assert harness.secret not in str(caught.value)
    names = {change.path for change in found}
    assert {"link", "fifo", "socket", "new\nline", "not-utf8-\ufffd\ufffd", "sparse", "one", "two"} <= names
    assert not any(harness.secret in (change.text or "") for change in found)
    assert harness.run("echo again", work).output == "again\n"
    discard(work)
    assert secret.read_text() == harness.secret


# ------------------------------------------------------------------------ a harness that is killed


def test_nothing_survives_a_harness_that_is_killed(to_be_killed: Harness) -> None:
    harness, work = to_be_killed, to_be_killed.workspace()
    os.mkfifo(work / "up")
    os.chown(work / "up", harness.user, -1)
    (work / "attack.py").write_text(OUTLIVE + "open('up', 'w').write('up')\nwhile True: time.sleep(60)")
    harness.send("exec python3 attack.py", work)
    assert (work / "up").read_text() == "up"
    assert subprocess.run(["flock", "--nonblock", work / "lock", "true"], check=False).returncode == 1
    harness.process.send_signal(signal.SIGKILL)
    harness.process.wait()
    # The kernel needs a moment; the lock is free when the last of them is gone.
    assert subprocess.run(["flock", "--timeout=60", work / "lock", "true"], check=False).returncode == 0
    assert harness.survivors(work) == []
