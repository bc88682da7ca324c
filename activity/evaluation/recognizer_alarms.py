"""How often the rules for activities raise an alarm on what a recogniser says of labelled videos.

An analysis makes its alerts with networks that are on all the data; only on videos that a recogniser has not learned
from do its alarms say what to expect elsewhere. So this counts them from predictions, whoever made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from activity.evaluation.intervals import wilson_interval
from activity.evaluation.labelled_videos import Prediction
from activity.fusion.findings import SceneFindings
from activity.fusion.incidents import raise_alerts
from activity.fusion.rule_book import Rule


def count_alarms(
    predictions: Sequence[Prediction], classes: Sequence[str], rules: Sequence[Rule]
) -> dict[str, dict[str, Any]] | None:
    """Apply the rules that need nothing but activities of `classes`, anywhere and at any time.

    Args:
        predictions: The videos must have their tracks; a video without people raises no alarm.
        classes: The recogniser's.
        rules: With distinct names; those that need more than activities are passed over, and so is what strengthens
            an alert without being needed for it.

    Returns:
        By class of the videos ``rate``, the share for which a rule raised an alert, with its 95 % Wilson
        ``interval``, ``alarmed`` and ``n``; `None` where no rule applies.
    """
    applicable = [
        rule.model_copy(update={"strengthened_by": (), "absorbs": ()})
        for rule in rules
        if rule.zone is None
        and rule.hours is None
        and all(condition.activity in classes for condition in rule.needs)
    ]
    if not applicable:
        return None
    tally: dict[str, list[bool]] = {}
    for video, people, _ in predictions:
        findings = SceneFindings(
            width=1,  # only zones are measured by the size of the frame
            height=1,
            tracks=video.tracks,
            activities=[score for person in people for score in person],
        )
        tally.setdefault(video.category, []).append(bool(raise_alerts(findings, applicable)))
    return {
        category: {
            "rate": sum(raised) / len(raised),
            "interval": list(wilson_interval(sum(raised), len(raised))),
            "alarmed": sum(raised),
            "n": len(raised),
        }
        for category, raised in sorted(tally.items())
    }
