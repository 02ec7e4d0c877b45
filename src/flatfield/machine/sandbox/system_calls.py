"""The filter that keeps sandboxed commands from system calls which reach past the sandbox or hide memory."""

from __future__ import annotations

import errno
import os
import struct

LOAD, EQUALS, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, DENY = 0x7FFF0000, 0x00050000
NUMBER_AT, MACHINE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
FOREIGN_CALLS = 0x40000000  # x86-64's second set of numbers begins here
SOCKETS = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK: these belong to a network namespace. AF_VSOCK, for one, does not."""
REFUSED = {
    "x86_64": {
        "memfd_create": 319,
        "memfd_secret": 447,
        "shmget": 29,
        "msgget": 68,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
        "userfaultfd": 323,
        "bpf": 321,
        "perf_event_open": 298,
        "pidfd_getfd": 438,
    },
    "aarch64": {
        "memfd_create": 279,
        "memfd_secret": 447,
        "shmget": 194,
        "msgget": 186,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
        "userfaultfd": 282,
        "bpf": 280,
        "perf_event_open": 241,
        "pidfd_getfd": 438,
    },
}
"""Memory that no process shows (files without a name, System V's), the keyring, and interfaces with a bad record."""
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}


def filter_program(machine: str) -> bytes:
    """A classic BPF program for seccomp; empty where the machine's numbers are not known.

    What is refused fails with EPERM, another kind of socket with EAFNOSUPPORT, calls of a foreign machine with ENOSYS.
    See linux/filter.h and linux/seccomp.h for the layout.
    """
    if machine not in MACHINES:
        return b""
    refused = sorted(REFUSED[machine].values())
    code = [_step(LOAD, MACHINE_AT), _step(EQUALS, MACHINES[machine], 1, 0), _deny(errno.ENOSYS)]
    code += [_step(LOAD, NUMBER_AT), _step(AT_LEAST, FOREIGN_CALLS, 0, 1), _deny(errno.ENOSYS)]
    for number in refused:
        code += [_step(EQUALS, number, 0, 1), _deny(errno.EPERM)]
    code += [_step(EQUALS, SOCKET[machine], 1, 0), _step(RETURN, ALLOW), _step(LOAD, FIRST_ARGUMENT_AT)]
    for family in SOCKETS:
        code += [_step(EQUALS, family, 0, 1), _step(RETURN, ALLOW)]
    return b"".join([*code, _deny(errno.EAFNOSUPPORT)])


def open_filter(machine: str) -> int | None:
    """A descriptor from which a sandbox reads the program, to be closed by the caller; None without a program."""
    program = filter_program(machine)
    if not program:
        return None
    descriptor = os.memfd_create("filter")
    os.write(descriptor, program)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _deny(reason: int) -> bytes:
    return _step(RETURN, DENY | reason)
