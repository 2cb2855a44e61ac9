"""The garbage collector, set for a server that runs long and has many requests in flight."""

from __future__ import annotations

import gc


def tune(*, freeze: bool, threshold: int) -> None:
    """Take what the start loaded out of the collector's sight, and let it look at the young ones less often.

    `threshold` is the first of `gc.set_threshold`'s, in objects; 0 leaves Python's. What a call makes is freed when
    it ends; under Python's threshold the collector comes many times before that, finds it all alive, and moves it to
    where only a full collection looks.
    """
    if threshold:
        gc.set_threshold(threshold, *gc.get_threshold()[1:])
    if freeze:
        gc.collect()  # else the garbage of the start is kept as well
        gc.freeze()
