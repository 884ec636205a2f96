"""Quantiles of what was measured, all of it kept: no buckets, no sampling."""

import math
from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank). Not for empty input."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def spread(seconds: Sequence[float]) -> dict[str, float | int]:
    """p50, p99 and the worst, in milliseconds, and how many there were."""
    return {
        "count": len(seconds),
        "p50_ms": round(quantile(seconds, 0.5) * 1000, 1),
        "p99_ms": round(quantile(seconds, 0.99) * 1000, 1),
        "max_ms": round(max(seconds) * 1000, 1),
    }
