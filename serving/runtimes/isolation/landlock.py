"""Landlock with every right denied: no path, no TCP port, no abstract socket, no foreign process.

Followed: the kernel's ``Documentation/userspace-api/landlock.rst``, ABI 1 to 7. A ruleset that
handles a right and has no rule denies it everywhere; what is open already stays usable.
"""

from __future__ import annotations

import ctypes
import os

from serving.runtimes.isolation import kernel

_VERSION_ASKED = 1
# How many rights over files each ABI knows: execute to make_sym, then refer, truncate, ioctl_dev.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP_FROM_ABI, _BIND_AND_CONNECT = 4, 0b11
_SCOPES_FROM_ABI, _ABSTRACT_SOCKETS_AND_SIGNALS = 6, 0b11


def abi() -> int:
    """The version that the kernel speaks. Raises Unsupported when it has none or hides it."""
    try:
        return kernel.call(kernel.LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_ASKED)
    except OSError as error:
        raise kernel.Unsupported(
            f"the kernel offers no Landlock ({os.strerror(error.errno or 0)})"
        ) from error


def deny_everything() -> None:
    """Restrict this process for good. Raises OSError or Unsupported."""
    version = abi()
    handled = [(1 << _FILE_RIGHTS[min(version, 5)]) - 1]
    if version >= _TCP_FROM_ABI:
        handled.append(_BIND_AND_CONNECT)
    if version >= _SCOPES_FROM_ABI:
        handled.append(_ABSTRACT_SOCKETS_AND_SIGNALS)
    attributes = (ctypes.c_uint64 * len(handled))(*handled)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    ruleset = kernel.call(kernel.LANDLOCK_CREATE_RULESET, attributes, size, 0)
    try:
        kernel.call(kernel.LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), 0)
    finally:
        os.close(ruleset)
