"""Where alerts go: each destination is an `AlertSink`.

`WebhookSink`, `CapHttpSink`, `TwilioSmsSink`, `TwilioCallSink`, `EmailSink` and `AppriseSink` are imported from their
modules: an analysis without a service needs no HTTP client.
"""

from activity.alerts.json_lines import JsonLinesSink
from activity.alerts.message import (
    AlertMessage,
    CameraReference,
    ClipReference,
    MessageKind,
    MessageReference,
    MessageStatus,
)
from activity.alerts.sink import AlertSink, TraceableSink

__all__ = [
    "AlertMessage",
    "AlertSink",
    "CameraReference",
    "ClipReference",
    "JsonLinesSink",
    "MessageKind",
    "MessageReference",
    "MessageStatus",
    "TraceableSink",
]
