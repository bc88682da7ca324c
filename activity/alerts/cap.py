"""Alerts as Common Alerting Protocol 1.2 (OASIS Standard, 1 July 2010), section numbers as there."""

from __future__ import annotations

import os
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from activity.alerts.addresses import AddressPolicy
from activity.alerts.http import request
from activity.alerts.message import AlertMessage
from activity.alerts.wording import full_text, headline
from activity.errors import ConfigurationError, OutputError

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
_CATEGORIES: Final = {"police": "Security", "fire_department": "Fire"}
_IMMEDIATE: Final = timedelta(minutes=15)
_FORBIDDEN_IN_SENDER: Final = frozenset(" ,<&\t\r\n")


@dataclass(frozen=True, slots=True)
class CapSender:
    """Who speaks, to whom.

    Attributes:
        sender: Names the originator worldwide, such as ``activity@cctv.example.org``; no space, comma, < or &.
        name: The originator for people to read.
        addresses: Intended receivers; where there are any, the message is ``Private`` to them (3.2.1, scope).
        contact: Whom to call back.
        language: RFC 3066 code of the text.
        valid_for: How long a message stands.
    """

    sender: str
    name: str = "activity"
    addresses: tuple[str, ...] = ()
    contact: str | None = None
    language: str = "en-US"
    valid_for: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if not self.sender or _FORBIDDEN_IN_SENDER & set(self.sender):
            raise ConfigurationError(
                f"CAP sender: expected a name without space, comma, < and &, such as activity@cctv.example.org; "
                f"got {self.sender!r}"
            )


def cap_document(message: AlertMessage, sender: CapSender) -> bytes:
    """One CAP 1.2 `alert` as UTF-8 XML; the same message gives the same bytes.

    An incident that no person confirmed is ``Likely`` or ``Possible`` by its score, a confirmed one ``Observed``;
    an alert is ``Private`` or ``Restricted``, never ``Public``: it names a place and people.
    """
    root = ET.Element("alert", xmlns=NAMESPACE)
    _add(root, "identifier", message.identifier)
    _add(root, "sender", sender.sender)
    _add(root, "sent", _moment(message.sent_at))
    _add(root, "status", message.status.capitalize())
    _add(root, "msgType", message.kind.capitalize())
    _add(root, "scope", "Private" if sender.addresses else "Restricted")
    if sender.addresses:
        _add(root, "addresses", " ".join(f'"{name}"' if " " in name else name for name in sender.addresses))
    else:
        _add(root, "restriction", f"For {message.alert.agency.replace('_', ' ')} use only.")
    _add(root, "note", message.note)
    references = (f"{sender.sender},{item.identifier},{_moment(item.sent_at)}" for item in message.references)
    _add(root, "references", " ".join(references))
    _add(root, "incidents", message.incident_id)
    root.append(_info(message, sender))
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _info(message: AlertMessage, sender: CapSender) -> ET.Element:
    alert, withdrawn = message.alert, message.kind == "cancel"
    info = ET.Element("info")
    _add(info, "language", sender.language)
    _add(info, "category", _CATEGORIES[alert.agency])
    _add(info, "event", alert.label)
    _add(info, "responseType", "AllClear" if withdrawn else "Assess")
    _add(info, "urgency", _urgency(message))
    _add(info, "severity", alert.severity.capitalize())
    if withdrawn:
        certainty = "Unlikely"
    elif message.confirmed:
        certainty = "Observed"
    else:
        certainty = "Likely" if alert.score > 0.5 else "Possible"  # 3.2.2: likely is p > ~50 %
    _add(info, "certainty", certainty)
    _add(info, "effective", _moment(message.sent_at))
    if message.started_at is not None:
        _add(info, "onset", _moment(message.started_at))
    _add(info, "expires", _moment(message.sent_at + sender.valid_for))
    _add(info, "senderName", sender.name)
    _add(info, "headline", headline(message))
    _add(info, "description", full_text(message))
    _add(info, "web", message.url)
    _add(info, "contact", sender.contact)
    for name, value in (
        ("rule", alert.rule),
        ("score", f"{alert.score:.4f}"),
        ("start_s", f"{alert.start_s:.3f}"),
        ("end_s", f"{alert.end_s:.3f}"),
        ("clip_sha256", message.clip.sha256),
        ("confirmed_by_a_person", str(message.confirmed).lower()),
    ):
        parameter = ET.SubElement(info, "parameter")
        _add(parameter, "valueName", name)
        _add(parameter, "value", value)
    camera = message.camera
    if camera is not None:
        area = ET.SubElement(info, "area")
        _add(area, "areaDesc", camera.description or camera.camera_id)
        if camera.latitude is not None and camera.longitude is not None:
            _add(area, "circle", f"{camera.latitude:.6f},{camera.longitude:.6f} {camera.radius_m / 1000:.3f}")
    return info


def _urgency(message: AlertMessage) -> str:
    if message.kind == "cancel":
        return "Past"
    if message.ended_at is None:
        return "Unknown"
    return "Immediate" if message.sent_at - message.ended_at <= _IMMEDIATE else "Past"


def _add(parent: ET.Element, name: str, text: str | None) -> None:
    """Add a child with text; empty text adds nothing."""
    if text:
        ET.SubElement(parent, name).text = "".join(
            c if _is_xml(c) else "\N{REPLACEMENT CHARACTER}" for c in text
        )


def _is_xml(character: str) -> bool:
    """Whether XML 1.0 can hold the character at all (production 2, Char)."""
    point = ord(character)
    return (
        point in (0x9, 0xA, 0xD) or 0x20 <= point <= 0xD7FF or 0xE000 <= point <= 0xFFFD or point >= 0x10000
    )


def _moment(moment: datetime) -> str:
    """The one form that CAP allows: no "Z", and UTC is ``-00:00`` (3.3.2)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") + "-00:00"


class CapFolderSink:
    """Writes each message as ``<identifier>.xml`` into a folder, whole or not at all; a repeat replaces its equal."""

    def __init__(self, folder: Path, *, sender: CapSender) -> None:
        self._folder = folder
        self._sender = sender

    def send(self, message: AlertMessage) -> None:
        """Write one message.

        Raises:
            OutputError: If the folder cannot be written.
        """
        name = "".join(c if c.isalnum() or c in "-_" else "_" for c in message.identifier)
        path = self._folder / f"{name}.xml"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".", delete=False) as file:
                file.write(cap_document(message, self._sender))
                file.flush()
                os.fsync(file.fileno())
            temporary = Path(file.name)
            temporary.chmod(0o640)
            temporary.replace(path)
        except OSError as error:
            raise OutputError(f"{path}: cannot write a CAP message: {error.strerror}") from error


class CapHttpSink:
    """Posts each message as ``application/cap+xml`` to one URL, as CAP gateways take it."""

    def __init__(
        self,
        url: str,
        *,
        sender: CapSender,
        policy: AddressPolicy,
        token: str | None = None,
        timeout_s: float = 15.0,
    ) -> None:
        self._url = url
        self._sender = sender
        self._policy = policy
        self._headers = {"Content-Type": "application/cap+xml"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout_s = timeout_s

    def send(self, message: AlertMessage) -> None:
        """Post one message.

        Raises:
            DeliveryError: If the gateway does not answer with 2xx.
        """
        request(
            "POST",
            self._url,
            timeout_s=self._timeout_s,
            policy=self._policy,
            headers=self._headers,
            content=cap_document(message, self._sender),
        )
