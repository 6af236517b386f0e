"""The pages of an LMDB file, read one by one: where each value lies, without touching the values.

The `lmdb` library cannot list keys without reading the first page of every value, which for LSUN bedroom is
12 GB at random places. The file's format is simple and has not changed since 2012 (lmdb.h and mdb.c,
format version 1): a B+ tree of pages, whose leaves hold keys and, for long values, the page of the value.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

# Offsets in a meta page, after the page header: magic, version, address, map size; then two databases (the
# list of free pages, and the main one) and the number of the last page and of the transaction.
HEADER = struct.Struct("<QHHHH")
META = struct.Struct("<IIQQ")
DATABASE = struct.Struct("<IHHQQQQQ")
LAST = struct.Struct("<QQ")
NODE = struct.Struct("<HHHH")
MAGIC, VERSION = 0xBEEFC0DE, 1
BRANCH, LEAF, OVERFLOW = 0x01, 0x02, 0x04
BIG_VALUE, PLAIN = 0x01, 0x00
NO_PAGE = 2**64 - 1
# No tree of 64-bit page numbers is deeper.
DEEPEST = 32


class DamagedDatabase(Exception):
    """The file is no LMDB, or its pages contradict each other."""


class Value(NamedTuple):
    """A key, and where in the file its value lies."""

    key: bytes
    offset: int
    size: int


class Leaf(NamedTuple):
    """A page of keys: its number, its bytes, how many keys it has."""

    number: int
    page: bytes
    keys: int


@dataclass(frozen=True)
class Tree:
    """The main database of an LMDB file."""

    path: Path
    page_size: int
    root: int
    pages: int
    entries: int

    @property
    def needed_bytes(self) -> int:
        """What the file must at least hold."""
        return self.pages * self.page_size

    def values(self, wanted: Iterator[int]) -> Iterator[Value]:
        """The values at the ascending positions `wanted`, in the order of the keys.

        Reads the pages of the tree once each, whatever is wanted; of a leaf, parses what is wanted.
        """
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            position = next(wanted, None)
            first = 0
            for number, leaf, count in self._leaves(descriptor, self.root, set()):
                if first + count > self.entries:
                    raise DamagedDatabase(f"its tree has more than the {self.entries:,} keys of its header")
                while position is not None and position < first + count:
                    yield self._value(number, leaf, position - first)
                    position = next(wanted, None)
                if position is None:
                    return
                first += count
        finally:
            os.close(descriptor)
        raise DamagedDatabase(f"its tree ends after {first:,} of {self.entries:,} keys")

    def _leaves(self, descriptor: int, number: int, seen: set[int], depth: int = 0) -> Iterator[Leaf]:
        """The leaves below a page, from left to right; pages that name one another would go on for ever."""
        if not 2 <= number < self.pages or number in seen or depth > DEEPEST:
            raise DamagedDatabase(f"its tree names page {number} of {self.pages:,}, or names it twice")
        seen.add(number)
        page = os.pread(descriptor, self.page_size, number * self.page_size)
        if len(page) < self.page_size:
            raise DamagedDatabase(f"page {number} lies beyond the end of the file")
        own, _, flags, lower, _ = HEADER.unpack_from(page)
        count = (lower - HEADER.size) // 2
        if own != number or flags not in (BRANCH, LEAF) or not HEADER.size <= lower <= self.page_size:
            raise DamagedDatabase(f"page {number} is overwritten")
        if flags == LEAF:
            yield Leaf(number, page, count)
            return
        for place in range(count):
            low, high, highest, _ = NODE.unpack_from(page, self._node(page, place))
            yield from self._leaves(descriptor, low | high << 16 | highest << 32, seen, depth + 1)

    def _node(self, page: bytes, place: int) -> int:
        (offset,) = struct.unpack_from("<H", page, HEADER.size + 2 * place)
        if offset + NODE.size > len(page):
            raise DamagedDatabase("a node lies beyond the end of its page")
        return int(offset)

    def _value(self, number: int, leaf: bytes, place: int) -> Value:
        node = self._node(leaf, place)
        low, high, flags, key_size = NODE.unpack_from(leaf, node)
        size, data = low | high << 16, node + NODE.size + key_size
        if data > len(leaf):
            raise DamagedDatabase("a key lies beyond the end of its page")
        key = leaf[node + NODE.size : data]
        if flags == PLAIN:
            return Value(key, number * self.page_size + data, size)
        if flags != BIG_VALUE or data + 8 > len(leaf):
            raise DamagedDatabase(f"the value of key {key[:40]!r} is of a kind that LSUN has not")
        (page,) = struct.unpack_from("<Q", leaf, data)
        offset = page * self.page_size + HEADER.size
        if offset + size > self.needed_bytes:
            raise DamagedDatabase(f"the value of key {key[:40]!r} lies beyond the end")
        return Value(key, offset, size)


def open_tree(path: Path) -> Tree:
    """Read the newer of the two meta pages; DamagedDatabase where there is none."""
    with path.open("rb") as stream:
        start = stream.read(1 << 16)
        newest = None
        # The second meta page follows the first, whose page size is known only from itself.
        page_size = _page_size(start)
        for offset in (0, page_size):
            meta = _meta(start[offset:], page_size, path)
            if meta is not None and (newest is None or meta[0] > newest[0]):
                newest = meta
    if newest is None:
        raise DamagedDatabase("no LMDB file: neither of its first two pages says so")
    return newest[1]


def _page_size(start: bytes) -> int:
    size = DATABASE.unpack_from(start, HEADER.size + META.size)[0] if len(start) >= 4096 else 0
    if size not in (4096, 8192, 16384, 32768):
        raise DamagedDatabase("no LMDB file: its first page says nothing of a page size")
    return int(size)


def _meta(page: bytes, page_size: int, path: Path) -> tuple[int, Tree] | None:
    """(transaction, tree) of one meta page, or None if it is not whole."""
    place = HEADER.size
    if len(page) < place + META.size + 2 * DATABASE.size + LAST.size:
        return None
    magic, version, _, _ = META.unpack_from(page, place)
    if (magic, version) != (MAGIC, VERSION):
        return None
    place += META.size + DATABASE.size
    _, flags, _, _, _, _, entries, root = DATABASE.unpack_from(page, place)
    last, transaction = LAST.unpack_from(page, place + DATABASE.size)
    if flags:
        raise DamagedDatabase("a database with several values for a key, which LSUN's are not")
    return transaction, Tree(path, page_size, root, last + 1, entries)
