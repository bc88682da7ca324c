"""Where alerts go: each destination is an `AlertSink`."""

from activity.alerts.json_lines import JsonLinesSink
from activity.alerts.sink import AlertSink, ClipReference

__all__ = ["AlertSink", "ClipReference", "JsonLinesSink"]
