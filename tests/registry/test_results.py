"""Results by the places of their records: one by one, and many in one go."""

from __future__ import annotations

import random
import tempfile
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.disk.files import make_folder
from hpcbatch.disk.index import DONE, ERROR, NOTHING
from hpcbatch.disk.records import BESIDE, FRAME, frame
from hpcbatch.registry.results import Results
from hpcbatch.words import events
from hpcbatch.words.errors import DamagedFile
from hpcbatch.words.events import HEAD
from hpcbatch.words.layout import TaskLayout
from tests.core import packed_event

EDGE = BESIDE - FRAME.size - HEAD.size  # bytes of the largest value that is read with its record
SIZES = [0, 1, 9, 500, BESIDE // 3, *range(EDGE - 2, EDGE + 3), 2 * BESIDE]
SAID = {events.DONE: DONE, events.ERROR: ERROR}


@given(
    st.lists(st.tuples(st.sampled_from(SIZES), st.sampled_from(list(SAID))), max_size=20),
    st.randoms(use_true_random=True),
)
def test_many_in_one_go_are_what_each_is_alone(
    made: list[tuple[int, int]], chance: random.Random
) -> None:
    content, found = bytearray(), [(len(made), NOTHING, 0)]
    for job, (size, kind) in enumerate(made):
        found.append((job, SAID[kind], len(content)))
        content += frame(packed_event(kind, 1, 0, job, body=bytes([job]) * size))
    found += [(1, DONE, 0), (0, DONE, len(content)), (0, DONE, 3)]  # another's, and no record
    if content and chance.random() < 0.5:
        content[chance.randrange(len(content))] ^= 1
    if chance.random() < 0.5:
        chance.shuffle(found)
    with tempfile.TemporaryDirectory() as folder:
        layout = TaskLayout(folder, "task")
        make_folder(layout.folder)
        with open(layout.results, "wb") as file:
            file.write(content)
        with Results(layout) as results:
            pairs = [(job, (said, place)) for job, said, place in found]
            together = list(results.values(pairs, lambda *told: told))
            assert [job for job, _ in together] == [job for job, _, _ in found]
            for told, (job, value) in zip(found, together, strict=True):
                _, said, place = told
                alone: bytes | tuple[int, int, int] = told
                if said == DONE:
                    with suppress(DamagedFile):
                        alone = results.value(job, place)
                if len(content) < BESIDE:
                    assert value == alone
                assert value in (alone, told)  # across the end of a block it is read alone
