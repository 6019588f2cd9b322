"""A runtime for tests only: it opens pickles without a gate, and its model does what it is told.

Each row of a batch is an order: ``act`` names a function below, ``on`` is its argument. The answer
says what came of it: ``done``, or ``denied`` and by which error.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import gc
import json
import mmap
import os
import pickle
import platform
import resource
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import pyarrow as pa

from registry.signature.facts import ModelFacts, OutputFacts
from serving.runtimes.base import Answer, Block
from serving.runtimes.isolation.child import Assignment

PREFIX = struct.Struct("!IQ")
_libc = ctypes.CDLL(None, use_errno=True)
_IS_X86 = platform.machine() == "x86_64"
BPF, PTRACE, MOUNT, VM_READ = (321, 101, 165, 310) if _IS_X86 else (280, 117, 40, 270)
USERFAULTFD = 323 if _IS_X86 else 282
IO_URING_SETUP, PIDFD_OPEN, KEYCTL = 425, 434, 250 if _IS_X86 else 219
CLONE_NEWUSER = 0x10000000
SLACK = 0.02


def call(number: int, *arguments: Any) -> None:
    checked(_libc.syscall(ctypes.c_long(number), *arguments))


def checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "denied")


def read(path: str) -> None:
    with open(path, "rb") as file:
        assert file.read(1)


def write(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def connect_tcp(port: str) -> None:
    with socket.socket() as sock:
        sock.settimeout(2)
        sock.connect(("127.0.0.1", int(port)))


def listen_tcp(_: str) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(1)


def send_udp(port: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", int(port)))


def connect_unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + path[1:] if path.startswith("@") else path)


def run(_: str) -> None:
    os.execv("/bin/true", ["true"])


def fork(_: str) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def start_thread(_: str) -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def take_memory(_: str) -> None:
    mmap.mmap(-1, 1 << 36)


def take_many_pieces(_: str) -> None:
    pieces = []
    while True:
        pieces.append(bytearray(1 << 22))


def loop(_: str) -> None:
    while True:
        pass


def wild_pointer(_: str) -> None:
    ctypes.string_at(0)


def make_dumpable(_: str) -> None:
    checked(_libc.prctl(4, 1, 0, 0, 0))


def raise_limit(_: str) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (1 << 20, 1 << 20))


def own_socket_signals_parent(_: str) -> None:
    for fd in sockets(socket.SOCK_STREAM):
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getppid())


def executable_memory(_: str) -> None:
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_EXEC)


def read_memory_of_parent(_: str) -> None:
    buffer = ctypes.create_string_buffer(8)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    call(VM_READ, os.getppid(), local, 1, local, 1, 0)


def block_signals(_: str) -> None:
    """Python does not tell that the call failed: what counts is what is blocked then."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])


# What it tries, and how: one word each in the tables of the tests.
PROBES: dict[str, Callable[[str], None]] = {
    "read": read,
    "write": write,
    "list": lambda path: checked(0 if os.listdir(path) else -1),
    "look for": lambda path: checked(0 if os.stat(path) else -1),
    "delete": os.unlink,
    "tcp connect": connect_tcp,
    "tcp listen": listen_tcp,
    "udp": send_udp,
    "unix socket": connect_unix,
    "abstract socket": connect_unix,
    "exec": run,
    "fork": fork,
    "kill parent": lambda _: os.kill(os.getppid(), 0),
    "ptrace": lambda _: call(PTRACE, 0, 0, 0, 0),
    "thread": start_thread,
    "bpf": lambda _: call(BPF, 0, None, 0),
    "memfd": lambda _: os.close(os.memfd_create("x")),
    "memory": take_memory,
    "many pieces": take_many_pieces,
    "cpu": loop,
    "wild pointer": wild_pointer,
    "dumpable": make_dumpable,
    "limit": raise_limit,
    "io_uring": lambda _: call(IO_URING_SETUP, 1, ctypes.create_string_buffer(128)),
    "userns": lambda _: checked(_libc.unshare(CLONE_NEWUSER)),
    "mount": lambda _: call(MOUNT, b"none", b"/tmp", b"tmpfs", 0, None),
    "keyring": lambda _: call(KEYCTL, 0, -1, 0),
    "userfaultfd": lambda _: call(USERFAULTFD, 0),
    "pidfd": lambda _: call(PIDFD_OPEN, os.getppid(), 0),
    "memory of parent": read_memory_of_parent,
    "signal by socket": own_socket_signals_parent,
    "executable memory": executable_memory,
    "block signals": block_signals,
}


# --- what it says to callers and to the parent ----------------------------------------------------


def sockets(kind: int) -> list[int]:
    """The descriptors of this process that are sockets of a kind."""
    found = []
    for fd in descriptors():
        try:
            with socket.socket(fileno=os.dup(fd)) as sock:
                if sock.type == kind:
                    found.append(fd)
        except OSError:
            continue
    return found


def descriptors() -> list[int]:
    found = []
    for fd in range(1024):
        try:
            fcntl.fcntl(fd, fcntl.F_GETFD)
        except OSError:
            continue
        found.append(fd)
    return found


def say(text: bytes) -> None:
    for fd in sockets(socket.SOCK_STREAM):
        os.write(fd, text)


def frame(header: bytes, body: bytes = b"", claimed: int | None = None) -> bytes:
    return PREFIX.pack(len(header), len(body) if claimed is None else claimed) + header + body


def deaf() -> None:
    """No timer of ours ends this process any more."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def drip(_: str) -> None:
    """A frame that is always just about to be complete."""
    deaf()
    say(PREFIX.pack(200_000, 0))
    while True:
        say(b" ")
        time.sleep(SLACK)


def lie(_: str) -> None:
    """Claims on the board that there is nothing to do, and computes on."""
    deaf()
    for given in [one for one in gc.get_objects() if type(one) is Assignment]:
        given.board.ready()
    loop("")


def claim(_: str) -> None:
    """Claims on the board to work on a request that has no end, and sleeps."""
    deaf()
    for given in [one for one in gc.get_objects() if type(one) is Assignment]:
        given.board.begin((12345,))
    time.sleep(600)


def tell_parent(text: bytes) -> None:
    for fd in sockets(socket.SOCK_SEQPACKET):
        with socket.socket(fileno=os.dup(fd)) as control:
            control.send(text)


def pass_descriptors(_: str) -> None:
    for fd in sockets(socket.SOCK_STREAM):
        with socket.socket(fileno=os.dup(fd)) as connection:
            socket.send_fds(connection, [frame(b'{"ok": true}', b"no answer")], descriptors()[:3])


def crash_with_last_words(words: str) -> None:
    """The name of what is told to the parent before the crash."""
    tell_parent(LAST_WORDS[words])
    wild_pointer("")


LAST_WORDS = {
    "garbage": b"\xff" * 64,
    "a list": b"[1, 2]",
    "a text": b'{"failed": "text"}',
    "long": json.dumps({"failed": {"kind": "raised", "message": "\U0001f600" * 12_000}}).encode(),
    "a long wait": b'{"failed": {"kind": "suspended", "retry_after_s": 1e300}}',
    "infinity": b'{"failed": {"kind": "suspended", "retry_after_s": Infinity}}',
    # Some of which can just be read, and then not be written again one level deeper.
    **{
        f"nested {depth}": b'{"failed":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
        for depth in (40, 960, 975, 985, 995)
    },
}
WORDS: dict[str, bytes] = {
    "garbage": b"\xff" * 64,
    "again": b"\xff" * 64,
    "huge header": PREFIX.pack(1 << 31, 0),
    "huge body": PREFIX.pack(2, 1 << 60) + b"{}",
    "no json": frame(b"{nonsense"),
    "no object": frame(b"[]"),
    "neither ok nor error": frame(b"{}"),
    "ok without answer": frame(b'{"ok": true}'),
    "half an answer": frame(b'{"ok": true}', b"\xff\xff\xff\xff\x10"),
    "half a character": frame(b'{"error": {"kind": "raised", "evidence": {"m": "\\ud800"}}}'),
    "nul": frame(b'{"error": {"kind": "raised", "evidence": {"m": "\\u0000"}}}'),
    "not a number": frame(b'{"error": {"kind": "suspended", "retry_after_s": NaN}}'),
    "too large a number": frame(b'{"error": {"kind": "suspended", "retry_after_s": 1e999}}'),
}
ACTS: dict[str, Callable[[str], Any]] = {
    **PROBES,
    "say": lambda words: say(WORDS[words]),
    "drip": drip,
    "lie": lie,
    "claim": claim,
    "pass descriptors": pass_descriptors,
    "last words": crash_with_last_words,
}


class Model:
    def facts(self) -> ModelFacts:
        return ModelFacts(
            estimator="tests.Hostile",
            input_form="frame",
            methods=("predict",),
            outputs=(OutputFacts(None, "string"),),
        )

    def score(
        self, batch: pa.RecordBatch, outputs: tuple[str, ...], params: Mapping[str, Any]
    ) -> Answer:
        rows = zip(batch.column("act").to_pylist(), batch.column("on").to_pylist(), strict=True)
        told = pa.array([attempt(act, on) for act, on in rows], type=pa.string())
        return Answer(batch.num_rows, (Block("prediction", None, None, (told,)),))


def attempt(act: str, on: str) -> str:
    if act == "descriptors":
        return json.dumps(descriptors())
    try:
        ACTS[act](on)
    except OSError as error:
        return f"denied {errno.errorcode.get(error.errno or 0, '')}"
    except (RuntimeError, MemoryError, ValueError) as error:  # no thread, no memory, no limit
        return f"denied {type(error).__name__}"
    return "done"


def load(artifact: BinaryIO, format: str) -> Model:
    """``pickle`` is opened as nobody should; anything else is not looked at."""
    content = artifact.read()
    if format == "pickle":
        pickle.loads(content)
    if content == SHOUTING:
        call_while_loading()
    return Model()


SHOUTING = b"shouts while it is loaded"


def call_while_loading() -> None:
    """Takes the caller's connection, which waits at the parent's line, and writes into it."""
    for fd in sockets(socket.SOCK_SEQPACKET):
        with socket.socket(fileno=os.dup(fd)) as control:
            _, passed, _, _ = socket.recv_fds(control, 256, 1)
            os.write(passed[0], WORDS["garbage"])
    loop("")
