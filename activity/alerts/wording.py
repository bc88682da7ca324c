"""Alerts in words, for people: a headline, a page of text, a text message, a sentence to be spoken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from activity.alerts.message import AlertMessage

_SMS_LIMIT: Final = 459  # three concatenated GSM-7 parts of 153 characters
_STATUS_WORDS: Final = {
    "actual": "",
    "exercise": "EXERCISE ",
    "test": "TEST ",
    "draft": "UNCONFIRMED ",
}
_KIND_WORDS: Final = {"alert": "ALERT", "update": "UPDATE", "cancel": "CANCELLED"}


def headline(message: AlertMessage) -> str:
    """One line of at most 160 characters: status, kind, activity, severity, place."""
    alert = message.alert
    place = f", {_one_line(message.camera.description)}" if message.camera is not None else ""
    return _cut(f"{_prefix(message)}: {_one_line(alert.label)} ({alert.severity}){place}", 160)


def full_text(message: AlertMessage) -> str:
    """Everything that a receiver needs to check the alert, a fact a line."""
    alert, clip = message.alert, message.clip
    lines = [
        headline(message),
        "",
        f"What: {_one_line(alert.label)}, severity {alert.severity}, score {alert.score:.2f} (rule {alert.rule})",
        f"When: {_when(message)}",
    ]
    if message.camera is not None:
        lines.append(f"Where: {_one_line(message.camera.description)} (camera {message.camera.camera_id})")
    lines += [
        f"Clip: {_one_line(clip.path)}, sha256 {clip.sha256}",
        "Confirmed by a person: " + ("yes" if message.confirmed else "no"),
    ]
    if message.note:
        lines.append(f"Note: {_one_line(message.note)}")
    lines += ["", "Evidence:"]
    lines += [f"- {_one_line(item.text)} (weight {item.weight:.2f})" for item in alert.explanation]
    if message.references:
        lines += ["", "Refers to: " + ", ".join(reference.identifier for reference in message.references)]
    if message.url:
        lines += ["", message.url]
    lines += ["", f"Incident {message.incident_id}, message {message.identifier}"]
    return "\n".join(lines) + "\n"


def short_text(message: AlertMessage) -> str:
    """A text message of at most 459 characters, with the message's identifier at its end."""
    ending = f" Ref {message.identifier}"
    if message.url:
        ending = f" {message.url}{ending}"
    confirmed = "confirmed by a person" if message.confirmed else "not confirmed"
    note = f" {_one_line(message.note)}" if message.note else ""
    text = f"{headline(message)}. {_when(message)}. Score {message.alert.score:.2f}, {confirmed}.{note}"
    return _cut(text, max(0, _SMS_LIMIT - len(ending))) + ending


def spoken_text(message: AlertMessage) -> str:
    """A few sentences for a voice."""
    alert = message.alert
    place = f" at {_one_line(message.camera.description)}" if message.camera is not None else ""
    opening = {
        "alert": f"{_prefix(message).capitalize()}. {_one_line(alert.label)} was seen{place}.",
        "update": f"{_prefix(message).capitalize()} on {_one_line(alert.label)}{place}.",
        "cancel": f"The alert on {_one_line(alert.label)}{place} is withdrawn.",
    }[message.kind]
    confirmed = "A person has confirmed it." if message.confirmed else "No person has confirmed it yet."
    closing = "" if message.kind == "cancel" else f" Severity {alert.severity}. {confirmed}"
    return f"{opening}{closing}"


def _prefix(message: AlertMessage) -> str:
    return _STATUS_WORDS[message.status] + _KIND_WORDS[message.kind]


def _when(message: AlertMessage) -> str:
    alert, begin = message.alert, message.started_at
    span = f"{alert.start_s:.1f} s to {alert.end_s:.1f} s of the clip"
    return span if begin is None else f"{_utc(begin)} ({span})"


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _one_line(text: str) -> str:
    """`text` without line breaks and control characters: it goes into mail headers and text messages."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"
