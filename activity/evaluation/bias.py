"""Do errors fall on some groups of people more than on others? The groups are the user's; small samples get no verdict.

Every case is one chance to be wrong about one member of a group: a person who may be missed, a pose that may be wrong, a
weapon that may be given to another, a clip that may raise a false alarm or miss a true one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

from activity.evaluation.intervals import wilson_interval

LEAST_CASES: Final = 50
"""Fewer cases of a group, or of all others together, are too few for a verdict."""

FAMILY_ERROR: Final = 0.05
"""Chance of calling any group different, of one kind of error, where none is."""


@dataclass(frozen=True, slots=True)
class Case:
    """One chance to be wrong.

    Attributes:
        kind: Of what error: ``detection``, ``pose``, ``holder``, ``false_alert``, ``missed_alert`` or another name.
        group: Whom it befell, as the user names groups.
        error: Whether it went wrong.
    """

    kind: str
    group: str
    error: bool


def compare_groups(cases: Iterable[Case], *, least_cases: int = LEAST_CASES) -> dict[str, Any]:
    """Compare each group with all others, for each kind of error.

    A group is called different where the interval of the difference of its error rate and that of all others leaves
    out 0: Newcombe's hybrid score interval (1998, method 10), at a level divided by the number of groups (Bonferroni).
    "No difference seen" is no proof that there is none: the interval says how large one may still be.

    Args:
        cases: All cases.
        least_cases: Smaller groups, or groups beside which all others together are smaller, get no verdict.

    Returns:
        ``groups``: by group and kind ``rate``, ``interval`` (95 % Wilson), ``n``, ``difference`` from all others and its
        ``difference_interval`` (null without a verdict), ``verdict``: ``more errors``, ``fewer errors``, ``no difference
        seen``, ``too few cases``, or ``nothing to compare with``; ``least_cases``; ``verdict``, a sentence.
    """
    tally: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for case in cases:
        counts = tally[case.kind][case.group]
        counts[0] += case.error
        counts[1] += 1
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    for kind, by_group in tally.items():
        for group, (errors, n) in by_group.items():
            others = [counts for name, counts in by_group.items() if name != group]
            rest = (sum(counts[0] for counts in others), sum(counts[1] for counts in others))
            groups[group][kind] = _judged((errors, n), rest, groups=len(by_group), least_cases=least_cases)
    return {
        "groups": {group: dict(sorted(kinds.items())) for group, kinds in sorted(groups.items())},
        "least_cases": least_cases,
        "verdict": _sentence(groups),
    }


def _judged(mine: tuple[int, int], rest: tuple[int, int], *, groups: int, least_cases: int) -> dict[str, Any]:
    errors, n = mine
    result: dict[str, Any] = {
        "rate": errors / n,
        "interval": list(wilson_interval(errors, n)),
        "n": n,
        "difference": None,
        "difference_interval": None,
        "verdict": "nothing to compare with",
    }
    if groups == 1:
        return result
    if min(n, rest[1]) < least_cases:
        return result | {"verdict": "too few cases"}
    low, high = difference_interval(mine, rest, level=1 - FAMILY_ERROR / groups)
    verdict = "more errors" if low > 0 else "fewer errors" if high < 0 else "no difference seen"
    difference = errors / n - rest[0] / rest[1]
    return result | {"difference": difference, "difference_interval": [low, high], "verdict": verdict}


def difference_interval(
    first: tuple[int, int], second: tuple[int, int], *, level: float = 0.95
) -> tuple[float, float]:
    """Newcombe's hybrid score interval of the difference of two shares, each as (hits, trials).

    Source: Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10.

    >>> [round(end, 4) for end in difference_interval((56, 70), (48, 80))]
    [0.0524, 0.3339]
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p, q = first[0] / first[1], second[0] / second[1]
    low_p, high_p = wilson_interval(*first, z=z)
    low_q, high_q = wilson_interval(*second, z=z)
    return (
        p - q - math.hypot(p - low_p, high_q - q),
        p - q + math.hypot(high_p - p, q - low_q),
    )


def _sentence(groups: dict[str, dict[str, Any]]) -> str:
    found = [
        f"{group}: {entry['verdict']} ({kind})"
        for group, kinds in sorted(groups.items())
        for kind, entry in sorted(kinds.items())
        if entry["verdict"] in ("more errors", "fewer errors")
    ]
    if found:
        return "; ".join(found)
    verdicts = {entry["verdict"] for kinds in groups.values() for entry in kinds.values()}
    if "no difference seen" in verdicts:
        return "No difference was seen where there are enough cases; the intervals say how large one may still be."
    return "No verdict: too few cases, or only one group."
