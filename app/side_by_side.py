"""Small pieces of one work on several threads: for what lets go of the interpreter, such as reading and decoding pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor


def side_by_side(work: Callable[[int], None], numbers: Iterable[int]) -> Iterator[None]:
    """`map` on as many threads as there are cores. One that fails, or a caller who stops, leaves the rest undone."""
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="duraplan-piece") as pool:
        yield from pool.map(work, numbers)
