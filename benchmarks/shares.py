"""Shares and how sure they are."""

from math import sqrt
from typing import Any


def share(figure: str, hits: int, count: int, **labels: Any) -> dict[str, Any]:
    """A figure that is a share, with n and its Wilson interval (95%)."""
    low, high = wilson(hits, count)
    value = round(hits / count, 5) if count else None
    return {"figure": figure, **labels, "value": value, "n": count, "low": low, "high": high}


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% interval of a share."""
    if not count:
        return 0.0, 1.0
    whole = 1 + z * z / count
    middle, spread = hits / count + z * z / (2 * count), z * sqrt(hits * (count - hits) / count + z * z / 4) / count
    return round(max(0.0, (middle - spread) / whole), 5), round(min(1.0, (middle + spread) / whole), 5)


def f1(right: int, said: int, there: int) -> dict[str, Any]:
    """F1 with its precision and recall: `right` of those `said`, of all that are `there`."""
    precision, recall = right / said if said else 0.0, right / there if there else 0.0
    value = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"value": round(value, 5), "precision": round(precision, 5), "recall": round(recall, 5), "n": there}
