"""Linux by ctypes: the few calls that Python does not offer, by number where libc has no name."""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any, Literal, TypeAlias

Machine: TypeAlias = Literal["x86_64", "aarch64"]

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

_CAPABILITY_VERSION_3 = 0x20080522
# The same on every architecture.
LANDLOCK_CREATE_RULESET = 444
LANDLOCK_RESTRICT_SELF = 446

_libc = ctypes.CDLL(None, use_errno=True)


class Unsupported(Exception):
    """The kernel or the machine lacks what a layer needs; the text says what."""


def machine() -> Machine:
    """The architecture. Raises Unsupported for one whose call numbers are not known here."""
    name = platform.machine()
    if name == "x86_64":
        return "x86_64"
    if name == "aarch64":
        return "aarch64"
    raise Unsupported(f"the call numbers of {name or 'this machine'} are not known")


def prctl(option: int, value: int, argument: Any = 0) -> None:
    """One prctl call. Raises OSError."""
    _checked(
        f"prctl({option})",
        _libc.prctl(option, ctypes.c_ulong(value), argument, 0, 0),
    )


def call(number: int, *arguments: Any) -> int:
    """One system call by its number. Raises OSError."""
    return _checked(f"call {number}", _libc.syscall(ctypes.c_long(number), *arguments))


def unshare(flags: int) -> None:
    """Leave namespaces for new ones. Raises OSError."""
    _checked("unshare", _libc.unshare(flags))


def setns(fd: int, kind: int) -> None:
    """Enter the namespace of a descriptor. Raises OSError."""
    _checked("setns", _libc.setns(fd, kind))


def drop_capabilities() -> None:
    """Give up every capability, root's included. Raises OSError.

    As the new set is part of the old one, the death signal and the like are kept.
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked("capset", _libc.capset(header, nothing))


def _checked(what: str, result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result
