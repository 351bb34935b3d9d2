"""Share of wall-clock time a large run spends training: failures, restarts and the work since the last checkpoint."""

from __future__ import annotations

import functools
import math

# Llama 3 (arXiv:2407.21783, section 3.3.4): 419 unexpected interruptions in 54 days on 16,384 H100, above 90% effective training time
_LLAMA3_INTERRUPTIONS, _LLAMA3_DAYS, _LLAMA3_DEVICES = 419.0, 54.0, 16384.0
FAILURES_PER_DEVICE_SECOND = _LLAMA3_INTERRUPTIONS / (_LLAMA3_DAYS * 86400.0 * _LLAMA3_DEVICES)
RESTART_SECONDS = 600.0  # detection, rescheduling, loading and warming up; stated assumption
CHECKPOINT_RATE = 2e9  # bytes/s a device writes to storage, stated assumption
SOURCE = "Llama 3 (arXiv:2407.21783): 419 unexpected interruptions in 54 days on 16,384 GPUs; checkpoint interval by Young 1974"


@functools.lru_cache(4096)
def goodput(part_id: str, devices: float, params: float) -> float:
    """Expected share of time that advances the run, 0..1, at the best checkpoint interval sqrt(2 x write time x time between
    failures) (Young 1974).
    """
    del part_id  # one published rate so far; kept so that a part's own rate can replace it
    between = 1.0 / (FAILURES_PER_DEVICE_SECOND * devices)
    write = max(1.0, 14.0 * params / devices / CHECKPOINT_RATE)
    interval = math.sqrt(2.0 * write * between)
    lost = write / interval + (interval / 2.0 + RESTART_SECONDS) / between
    return 1.0 / (1.0 + lost)
