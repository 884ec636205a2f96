"""From bits to probabilities: each candidate, somebody else of each candidate's household, or a stranger: one of them it is.

The household is what keeps a twin from being paged for a twin: everything that speaks for the child but the given name
speaks for the brother as well.
"""

from collections.abc import Sequence
from math import exp2

from streams.matching.model import Prior
from streams.matching.score import Scored


def posterior(scored: Sequence[Scored], listed: int, prior: Prior) -> list[float]:
    """The probability that the event is about each candidate, in their order. `listed` is the length of the list."""
    each = prior.each(listed)
    children = [each * exp2(min(one.child, 200.0)) for one in scored]
    households = [each * prior.household * exp2(min(one.household, 200.0)) for one in scored]
    everything = sum(children) + sum(households) + (1 - prior.share_on_list)
    return [child / everything for child in children]
