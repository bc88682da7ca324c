"""Alerts to the hundred-odd services that the apprise library knows, one URL a sink (extra: ``notify``)."""

from __future__ import annotations

import importlib
import warnings

from activity.alerts.message import AlertMessage
from activity.alerts.wording import full_text, headline
from activity.errors import ConfigurationError, DeliveryError

_TYPES = {"minor": "info", "moderate": "warning", "severe": "failure", "extreme": "failure"}


class AppriseSink:
    """Sends each message through one apprise URL, such as ``mmosts://host/token``.

    Raises:
        ConfigurationError: If apprise is not installed or does not know the URL.
    """

    def __init__(self, url: str) -> None:
        self._service = url.partition(":")[0]  # the rest holds tokens
        with warnings.catch_warnings():  # apprise asks whether Python still has this module
            warnings.filterwarnings("ignore", "'imghdr' is deprecated", DeprecationWarning)
            try:
                apprise = importlib.import_module("apprise")
            except ImportError as error:
                raise ConfigurationError(
                    "this alert sink needs the apprise library: pip install 'activity[notify]'"
                ) from error
            self._notifier = apprise.Apprise()
            known = self._notifier.add(url)
        if not known:
            raise ConfigurationError(
                f"{self._service}://…: apprise knows no such service, or its URL lacks something"
            )

    def send(self, message: AlertMessage) -> None:
        """Send one message.

        Raises:
            DeliveryError: If the service did not take it; apprise does not say why, so it may be tried again.
        """
        taken = self._notifier.notify(
            title=headline(message),
            body=full_text(message),
            notify_type="success" if message.kind == "cancel" else _TYPES[message.alert.severity],
        )
        if not taken:
            raise DeliveryError(f"{self._service}: apprise could not deliver the alert", permanent=False)
