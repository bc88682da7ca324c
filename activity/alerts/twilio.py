"""Alerts to one telephone, as text or voice, over Twilio's REST API of 2010-04-01 (twilio.com/docs/usage/api)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from xml.sax.saxutils import escape

import httpx

from activity.alerts.http import request
from activity.alerts.message import AlertMessage
from activity.alerts.wording import short_text, spoken_text
from activity.errors import DeliveryError

_FAILED: Final = frozenset({"failed", "undelivered", "canceled", "busy", "no-answer"})
_CLOCK_SKEW: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Whose account pays, and how to reach it.

    Attributes:
        account_sid: ``AC...``.
        username: The account's SID, or the SID of an API key (``SK...``).
        password: The account's token, or the secret of that API key.
        sender: The number that sends, in E.164 form, or for texts a messaging service (``MG...``).
        base_url: Where the API is.
        timeout_s: How long one request may take.
    """

    account_sid: str
    username: str
    password: str = field(repr=False)
    sender: str
    base_url: str = "https://api.twilio.com"
    timeout_s: float = 20.0

    def post(self, resource: str, form: Mapping[str, str]) -> None:
        """Create a message or a call."""
        self._request("POST", resource, data=dict(form))

    def list(self, resource: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """The latest messages or calls that fit `params`, at most 100."""
        answer = self._request("GET", resource, params={**params, "PageSize": "100"})
        try:
            return list(answer.json()[resource.lower()])
        except (ValueError, KeyError, TypeError) as error:
            raise DeliveryError(
                f"{self.base_url}: expected a list of {resource}, got {error!r}", permanent=False
            ) from error

    def _request(self, method: str, resource: str, **content: Any) -> httpx.Response:
        return request(
            method,
            f"{self.base_url}/2010-04-01/Accounts/{self.account_sid}/{resource}.json",
            timeout_s=self.timeout_s,
            auth=(self.username, self.password),
            **content,
        )


class TwilioSmsSink:
    """Sends each message as a text to one number."""

    def __init__(self, recipient: str, *, account: TwilioAccount) -> None:
        self._recipient = recipient
        self._account = account

    def send(self, message: AlertMessage) -> None:
        """Send one text.

        Raises:
            DeliveryError: If Twilio does not take it.
        """
        account = self._account
        sender = "MessagingServiceSid" if account.sender.startswith("MG") else "From"
        account.post("Messages", {"To": self._recipient, sender: account.sender, "Body": short_text(message)})

    def was_delivered(self, message: AlertMessage, *, since: datetime) -> bool:
        """Whether Twilio has a text to this number that names this message.

        Raises:
            DeliveryError: If Twilio cannot be asked.
        """
        day = (since - _CLOCK_SKEW).date().isoformat()
        found = self._account.list("Messages", {"To": self._recipient, "DateSent>": day})
        return any(
            str(item.get("body", "")).endswith(f"Ref {message.identifier}")
            and item.get("status") not in _FAILED
            for item in found
        )


class TwilioCallSink:
    """Calls one number for each message and reads it out twice."""

    def __init__(self, recipient: str, *, account: TwilioAccount, language: str = "en-US") -> None:
        self._recipient = recipient
        self._account = account
        self._language = language

    def send(self, message: AlertMessage) -> None:
        """Place one call; Twilio has it from then on, whether or not somebody answers.

        Raises:
            DeliveryError: If Twilio does not take it.
        """
        words = escape(spoken_text(message))
        twiml = f'<Response><Pause length="1"/><Say language="{escape(self._language)}" loop="2">{words}</Say></Response>'
        self._account.post("Calls", {"To": self._recipient, "From": self._account.sender, "Twiml": twiml})

    def was_delivered(self, message: AlertMessage, *, since: datetime) -> bool:
        """Whether Twilio has a call from us to this number that was begun after `since`.

        A call carries no mark of the message, so another alert to the same number in that time counts as well.

        Raises:
            DeliveryError: If Twilio cannot be asked.
        """
        del message
        begin = since - _CLOCK_SKEW
        found = self._account.list(
            "Calls",
            {"To": self._recipient, "From": self._account.sender, "StartTime>": begin.date().isoformat()},
        )
        return any(_begun(item) >= begin and item.get("status") not in _FAILED for item in found)


def _begun(call: Mapping[str, Any]) -> datetime:
    try:
        return parsedate_to_datetime(str(call["date_created"]))
    except (KeyError, ValueError) as error:
        raise DeliveryError(
            f"Twilio: expected a call with date_created, got {error!r}", permanent=False
        ) from error
