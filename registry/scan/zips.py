"""Plain: the structure of a zip archive (PKWARE APPNOTE 6.3), held to what one writer leaves.

Everything is read twice, in the directory at the end and in each member's own header, and has to
agree; members lie one behind the other from the first byte to the directory, so that nothing can
hide between them, overlap or be prefixed. Nothing is extracted here but what is asked for.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from registry.scan.finding import Refused, shown

MEMBERS_MAX = 10_000
DIRECTORY_MAX_BYTES = 4 << 20
TOTAL_MAX_BYTES = 2 << 30
RATIO_MAX = 200
RATIO_FREE_BYTES = 1 << 20
STORED, DEFLATED = 0, 8
# UTF-8 names, and the level of deflate; not encryption, nor sizes behind the bytes.
_FLAGS_TAKEN = 0x0800 | 0x0006
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END_MAGIC, _ENTRY_MAGIC, _LOCAL_MAGIC = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
_WIDE = 0xFFFFFFFF
# Extra fields in the directory: wide sizes (checked where they stand), and the times and owners
# that common writers leave.
_FIELD = struct.Struct("<2H")
_FIELDS_TAKEN = (0x0001, 0x000A, 0x5455, 0x5855, 0x7855, 0x7875)
# Kinds of members by the mode that Unix gives them.
_FILE, _FOLDER = 0x8000, 0x4000


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its name, where its packed bytes lie, how they are packed."""

    name: str
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    header_at: int
    mode: int


class Zip:
    """The members of an archive that stood every check. Raises Refused.

    With ``folders`` names are paths below the archive, and entries of folders are left out.
    """

    def __init__(self, file: BinaryIO, start: int, size: int, *, folders: bool = False) -> None:
        self._file, self._start, self._size = file, start, size
        directory_at, directory = self._directory()
        check = _check_in_folders if folders else _check_flat
        self.members: dict[str, Member] = {}
        for member in _entries(directory):
            if member.name in self.members:
                found = f"The member {shown(member.name)} is there twice"
                raise Refused("zip-duplicate-member", found)
            check(member)
            self.members[member.name] = member
        self._data_at = self._check_layout(directory_at)
        _check_sizes(list(self.members.values()), size)
        self.members = {n: m for n, m in self.members.items() if not n.endswith("/")}

    def head(self, name: str, length: int) -> bytes:
        """The first ``length`` bytes of a member, unpacked."""
        member = self.members[name]
        at = self._data_at[name]
        if member.method == STORED:
            return self._bytes(at, min(length, member.packed_bytes))
        packed = self._bytes(at, min(2 * length + 4096, member.packed_bytes))
        try:
            return zlib.decompressobj(-15).decompress(packed, length)
        except zlib.error:
            raise _damaged(f"{shown(name)} does not decompress") from None

    def whole(self, name: str, limit: int) -> bytes:
        """All bytes of a member of at most ``limit`` bytes; length and checksum have to agree."""
        member = self.members[name]
        if member.size_bytes > limit:
            found = f"{shown(name)} has {member.size_bytes} bytes, at most {limit} are read"
            raise Refused("too-large", found)
        content = self._bytes(self._data_at[name], member.packed_bytes)
        if member.method == DEFLATED:
            inflate = zlib.decompressobj(-15)
            try:
                content = inflate.decompress(content, member.size_bytes + 1)
            except zlib.error:
                raise _damaged(f"{shown(name)} does not decompress") from None
        if len(content) != member.size_bytes or zlib.crc32(content) != member.crc:
            raise _damaged(f"{shown(name)} has another length or checksum than it says")
        return content

    def stored_at(self, name: str) -> int | None:
        """Where in the file the bytes of an unpacked member begin; None for a packed one."""
        member = self.members[name]
        return self._start + self._data_at[name] if member.method == STORED else None

    def _bytes(self, at: int, length: int) -> bytes:
        if at < 0 or at + length > self._size:
            raise Refused("truncated", "The archive points behind its own end")
        self._file.seek(self._start + at)
        found = self._file.read(length)
        if len(found) != length:
            raise Refused("truncated", "The archive ends in the middle")
        return found

    def _directory(self) -> tuple[int, bytes]:
        if self._size < _END.size:
            raise Refused("truncated", "The archive is too short to have a directory")
        end_at = self._size - _END.size
        end = _END.unpack(self._bytes(end_at, _END.size))
        magic, disk, first_disk, here, count, length, at, comment = end
        if magic != _END_MAGIC or comment:
            raise Refused("truncated", "The archive does not end with its directory")
        if disk or first_disk or here != count:
            raise _damaged("it is a part of several")
        if count > MEMBERS_MAX or length > DIRECTORY_MAX_BYTES:
            raise Refused("zip-too-many-members", f"The archive has {count} members")
        if at + length != end_at:
            raise _damaged("its directory does not lie where it should")
        directory = self._bytes(at, length)
        if len(list(_entries(directory))) != count:
            raise _damaged("its directory has another number of members than it says")
        return at, directory

    def _check_layout(self, directory_at: int) -> dict[str, int]:
        """Hold each member's own header against the directory; where the bytes of each begin."""
        data_at: dict[str, int] = {}
        expected = 0
        for member in sorted(self.members.values(), key=lambda m: m.header_at):
            if member.header_at != expected:
                raise _damaged(f"there is a gap or an overlap before {shown(member.name)}")
            data_at[member.name] = self._check_local(member)
            expected = data_at[member.name] + member.packed_bytes
        if expected != directory_at:
            raise _damaged("there are bytes between the members and the directory")
        return data_at

    def _check_local(self, member: Member) -> int:
        local = _LOCAL.unpack(self._bytes(member.header_at, _LOCAL.size))
        magic, _, flags, method, _, _, crc, packed, size, name_length, extra_length = local
        names_at = member.header_at + _LOCAL.size
        tail = self._bytes(names_at, name_length + extra_length)
        if _WIDE in (packed, size):
            packed, size = _wide_sizes(tail[name_length:], packed, size)
        same = (member.flags, member.method, member.crc, member.packed_bytes, member.size_bytes)
        if magic != _LOCAL_MAGIC or (flags, method, crc, packed, size) != same:
            raise _differs(member)
        if tail[:name_length] != member.name.encode("utf-8", "surrogateescape"):
            raise _differs(member)
        return names_at + len(tail)


def _entries(directory: bytes) -> list[Member]:
    found: list[Member] = []
    at = 0
    while at < len(directory):
        if at + _ENTRY.size > len(directory):
            raise _damaged("its directory ends in the middle")
        entry = _ENTRY.unpack_from(directory, at)
        name_length, extra_length, comment_length = entry[10:13]
        name = directory[at + _ENTRY.size : at + _ENTRY.size + name_length]
        if entry[0] != _ENTRY_MAGIC or entry[13]:
            raise _damaged("its directory does not parse")
        found.append(
            Member(
                name=name.decode("utf-8", "surrogateescape"),
                flags=entry[3],
                method=entry[4],
                crc=entry[7],
                packed_bytes=entry[8],
                size_bytes=entry[9],
                header_at=entry[16],
                mode=entry[15] >> 16,
            )
        )
        at += _ENTRY.size + name_length
        _check_extra(directory[at : at + extra_length], found[-1])
        at += extra_length + comment_length
        _check_member(found[-1])
    if at != len(directory):
        raise _damaged("its directory ends in the middle")
    return found


def _check_extra(extra: bytes, member: Member) -> None:
    """Only fields that say nothing else of the member: some readers take another name from one."""
    while extra:
        key, length = _FIELD.unpack_from(extra) if len(extra) >= _FIELD.size else (0, 0)
        if key not in _FIELDS_TAKEN or len(extra) < _FIELD.size + length:
            raise _damaged(f"the member {shown(member.name)} has the extra field {key:#06x}")
        extra = extra[_FIELD.size + length :]


def _check_member(member: Member) -> None:
    name = shown(member.name)
    if member.flags & 0x2041:
        raise Refused("zip-encrypted", f"The member {name} is encrypted")
    if member.flags & ~_FLAGS_TAKEN:
        raise _damaged(f"the member {name} has the flags {member.flags:#06x}")
    if member.method not in (STORED, DEFLATED):
        raise Refused("zip-compression", f"The member {name} is packed by method {member.method}")
    if _WIDE in (member.packed_bytes, member.size_bytes, member.header_at):
        raise Refused("too-large", f"The member {name} is larger than a model may be")
    if member.method == STORED and member.packed_bytes != member.size_bytes:
        raise _damaged(f"the member {name} is not packed, but has two sizes")


def _check_flat(member: Member) -> None:
    if member.name.endswith("/") or member.mode & 0xF000 not in (0, _FILE):
        found = f"The member {shown(member.name)} is a link or a folder"
        raise Refused("zip-not-a-file", found)
    if re.search(r"[/\\\x00]|^\.|\.\.|^[A-Za-z]:", member.name):
        raise Refused("zip-unsafe-name", f"The member {shown(member.name)} has an unsafe name")


def _check_in_folders(member: Member) -> None:
    is_folder = member.name.endswith("/")
    kinds = (0, _FOLDER) if is_folder else (0, _FILE)
    if member.mode & 0xF000 not in kinds or (is_folder and member.size_bytes):
        raise Refused("zip-not-a-file", f"The member {shown(member.name)} is no plain file")
    parts = member.name.removesuffix("/").split("/")
    if {"", ".", ".."} & set(parts) or re.search(r"[\\\x00]|^[A-Za-z]:", member.name):
        raise Refused("zip-unsafe-name", f"The member {shown(member.name)} has an unsafe name")


def _wide_sizes(extra: bytes, packed: int, size: int) -> tuple[int, int]:
    """The sizes out of a zip64 field, which numpy's writer leaves even where it needs none."""
    if len(extra) != 20 or extra[:4] != b"\x01\x00\x10\x00":
        return packed, size
    wide_size, wide_packed = struct.unpack("<2Q", extra[4:])
    return wide_packed, wide_size


def _check_sizes(members: list[Member], size: int) -> None:
    total = sum(member.size_bytes for member in members)
    if total > TOTAL_MAX_BYTES:
        raise Refused("too-large", f"The members have {total} bytes together")
    for unpacked, packed in [(m.size_bytes, m.packed_bytes) for m in members] + [(total, size)]:
        if unpacked > RATIO_FREE_BYTES and unpacked > RATIO_MAX * packed:
            found = f"{packed} bytes grow to {unpacked}"
            raise Refused("zip-bomb", found, limit_ratio=RATIO_MAX)


def _damaged(how: str) -> Refused:
    return Refused("zip-damaged", f"The archive is damaged: {how}")


def _differs(member: Member) -> Refused:
    found = f"The member {shown(member.name)} has another header than the directory says"
    return Refused("zip-headers-differ", found)
