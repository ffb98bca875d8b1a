"""Results that travel between a site elsewhere and its clients, as records; streams of pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from struct import Struct

from ..disk.records import FRAME, checksum, frame
from ..words.errors import JobError, SiteUnreachable
from ..words.events import pack_text, unpack_text
from ..words.ranges import Ranges
from .patience import Patience

_HEAD = Struct("<cQ")  # what a record of a result is, and of which job
_VALUE, _ERROR, _END = b"v", b"e", b"z"

Result = tuple[int, bytes | JobError]


def results_stream(results: Iterable[Result]) -> Iterator[bytes]:
    """Results as records; the last one says that nothing is missing."""
    for job, value in results:
        if isinstance(value, bytes):
            yield frame(_HEAD.pack(_VALUE, job) + value)
        else:
            words = pack_text(value.state, value.type, value.message, value.traceback)
            yield frame(_HEAD.pack(_ERROR, job) + words)
    yield frame(_HEAD.pack(_END, 0))


def results_from(chunks: Iterable[bytes]) -> Iterator[Result]:
    """Raises SiteUnreachable where the stream is altered or was cut off: all that was yielded
    before is whole."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        begin = 0
        while len(held) - begin >= FRAME.size:
            length, check = FRAME.unpack_from(held, begin)
            end = begin + FRAME.size + length
            if len(held) < end:
                break
            payload = bytes(memoryview(held)[begin + FRAME.size : end])
            if checksum(payload) != check or length < _HEAD.size:
                raise SiteUnreachable("what came over the network was altered on its way")
            begin = end
            kind, job = _HEAD.unpack_from(payload)
            rest = payload[_HEAD.size :]
            if kind == _END:
                return
            yield job, rest if kind == _VALUE else JobError(job, *unpack_text(rest))
        del held[:begin]
    raise SiteUnreachable("the connection was cut off")


def whole(
    jobs: Ranges,
    asked: Callable[[Ranges], AbstractContextManager[Iterable[bytes]]],
    patience: Patience,
) -> Iterator[Result]:
    """Each result as it comes, in order; after a cut those that are missing are ``asked`` for."""
    left = jobs
    while left:
        got: list[int] = []
        try:
            with asked(left) as chunks:
                for job, value in results_from(chunks):
                    got.append(job)
                    yield job, value
            return
        except SiteUnreachable as error:
            if got:
                patience.progressed()
                left = left.without(Ranges.of(got))
            if left:  # else the end alone was cut off
                patience.after(error)


def begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same, of which the first is there: what is wrong is known before an answer begins."""
    first = next(pieces, b"")
    return chain((first,), pieces)


def in_blocks(records: Iterator[bytes], size: int = 1 << 16) -> Iterator[bytes]:
    """Joined, since each piece that is sent costs a turn between threads."""
    held: list[bytes] = []
    length = 0
    for record in records:
        held.append(record)
        length += len(record)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)
