"""The filter of system calls, written in the kernel's classic BPF.

Followed: ``Documentation/userspace-api/seccomp_filter.rst`` and ``linux/seccomp.h``. Calls of
another architecture's numbering (32 bit, x32) end the process: the table would not fit them.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import struct
import termios
from collections.abc import Iterable
from functools import cache

from serving.runtimes.isolation import kernel, syscalls
from serving.runtimes.isolation.kernel import Machine

_FILTER_MODE = 2
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_KILL = 0x80000000
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

# Offsets in struct seccomp_data; of an argument the lower half, as both machines are little-endian.
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

_FCNTL = (fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETFD, fcntl.F_GETFL)
_IOCTL = (termios.FIONBIO,)

_Step = tuple[int, int, int, int]  # code, steps skipped if true, if false, constant


def install() -> None:
    """Filter this process from now on, for good. Raises OSError or Unsupported."""
    filtering = program(kernel.machine(), os.getpid())
    steps = ctypes.create_string_buffer(filtering, len(filtering))
    length_and_steps = struct.pack("HxxxxxxP", len(filtering) // 8, ctypes.addressof(steps))
    kernel.prctl(kernel.PR_SET_SECCOMP, _FILTER_MODE, length_and_steps)


def program(machine: Machine, pid: int) -> bytes:
    """The filter's steps, eight bytes each, for the process ``pid``."""
    return _head(machine) + _abort_of(machine, pid) + _TAIL


@cache
def _head(machine: Machine) -> bytes:
    """All but what differs from process to process."""
    which = 0 if machine == "x86_64" else 1
    steps: list[_Step] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 1, 0, _ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        steps += [(_IF_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL)]
    for numbers in syscalls.ALLOWED.values():
        steps += _if_call(numbers[which], [(_RETURN, 0, 0, _ALLOW)])
    for name, condition in _CONDITIONS.items():
        steps += _if_call(syscalls.CHECKED[name][which], condition)
    for numbers in syscalls.FATAL.values():
        steps += _if_call(numbers[which], [(_RETURN, 0, 0, _KILL)])
    return _packed(steps)


def _abort_of(machine: Machine, pid: int) -> bytes:
    """A process may end itself, and nobody else."""
    which = 0 if machine == "x86_64" else 1
    return _packed(_if_call(syscalls.CHECKED["tgkill"][which], _only(0, (pid,))))


def _if_call(number: int | None, then: list[_Step]) -> list[_Step]:
    return [] if number is None else [(_IF_EQUAL, 0, len(then), number), *then]


def _only(argument: int, values: Iterable[int]) -> list[_Step]:
    """Allow the call with these values of an argument, refuse it otherwise."""
    steps: list[_Step] = [(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument)]
    for value in values:
        steps += [(_IF_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [*steps, (_RETURN, 0, 0, _REFUSE)]


def _without(argument: int, bits: int) -> list[_Step]:
    """Allow the call unless the argument has one of these bits."""
    return [
        (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument),
        (_IF_ANY_BIT, 0, 1, bits),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _packed(steps: Iterable[_Step]) -> bytes:
    return b"".join(struct.pack("HBBI", *step) for step in steps)


_CONDITIONS = {
    "mmap": _without(2, mmap.PROT_EXEC),
    "mprotect": _without(2, mmap.PROT_EXEC),
    "fcntl": _only(1, _FCNTL),
    "ioctl": _only(1, _IOCTL),
}
_TAIL = _packed([(_RETURN, 0, 0, _REFUSE)])
