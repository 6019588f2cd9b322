"""The system calls of a child: what it may do, what is refused, and what ends it.

Three answers, of which the first that fits counts:

- **allowed**: compute, use memory, speak on the sockets that are there, look at the clock. Five
  more only with certain arguments (``CHECKED``).
- **ends the process** (``FATAL``): no model and no library asks for these; who does is attacking.
- **refused with EPERM**: everything else, known or not yet invented. Libraries try to open files,
  to start threads or to ask for the processor's count, and go on when they may not.

Numbers: x86-64 from ``unistd_64.h``, aarch64 from the kernel's generic table; None where an
architecture lacks the call.
"""

from __future__ import annotations

from typing import TypeAlias

Numbers: TypeAlias = tuple[int | None, int | None]

ALLOWED: dict[str, Numbers] = {
    # memory
    "brk": (12, 214),
    "madvise": (28, 233),
    "mremap": (25, 216),
    "munmap": (11, 215),
    # descriptors that are open already: the artifact, the sockets
    "close": (3, 57),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "read": (0, 63),
    "readv": (19, 65),
    "write": (1, 64),
    "writev": (20, 66),
    "getsockname": (51, 204),
    "getsockopt": (55, 209),
    "recvfrom": (45, 207),
    "recvmsg": (47, 212),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "shutdown": (48, 210),
    # waiting for them
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_pwait": (281, 22),
    "epoll_wait": (232, None),
    "futex": (202, 98),
    "poll": (7, None),
    "ppoll": (271, 73),
    # time and chance
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "getrandom": (318, 278),
    "gettimeofday": (96, 169),
    "nanosleep": (35, 101),
    "sched_yield": (24, 124),
    "setitimer": (38, 103),
    "time": (201, None),
    # who am I
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getuid": (102, 174),
    # the end, and the way back out of a signal
    "exit": (60, 93),
    "exit_group": (231, 94),
    "restart_syscall": (219, 128),
    "rt_sigreturn": (15, 139),
}

# Memory that is writable and executable by turns is how code gets in: nothing here compiles.
# fcntl could make the kernel send signals to others (F_SETOWN); ioctl is for Python's timeouts on
# sockets; tgkill for abort(), with the process's own number put in by ``seccomp``.
CHECKED: dict[str, Numbers] = {
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "tgkill": (234, 131),
}

FATAL: dict[str, Numbers] = {
    # another program
    "execve": (59, 221),
    "execveat": (322, 281),
    # other processes
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    # wide doors into the kernel
    "bpf": (321, 280),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "keyctl": (250, 219),
    "request_key": (249, 218),
    # other namespaces, other roots, other rights
    "chroot": (161, 51),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "personality": (135, 92),
    "pivot_root": (155, 41),
    "setns": (308, 268),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "capset": (126, 91),
    "setresuid": (117, 147),
    "setuid": (105, 146),
    "seccomp": (317, 277),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
}
