"""Alerts by e-mail: one message, one mailbox."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal

from activity.alerts.cap import CapSender, cap_document
from activity.alerts.message import AlertMessage
from activity.alerts.wording import full_text, headline
from activity.errors import DeliveryError

Security = Literal["starttls", "tls", "none"]


class EmailSink:
    """Sends each message to one mailbox over SMTP.

    Every attempt of a message has the same ``Message-ID``, by which mail servers drop repeats, and updates and
    withdrawals answer the first message, so that a mailbox shows one thread an incident.

    Args:
        recipient: The mailbox.
        sender: The ``From`` address.
        host: The SMTP server.
        port: Its port.
        security: ``starttls`` upgrades the connection and refuses to go on without, ``tls`` opens with it, ``none``
            sends in clear, for a server on this machine.
        username: For servers that want a login.
        password: For servers that want a login.
        cap: Where given, the message is attached as CAP 1.2 too.
        timeout_s: For each step of the conversation.
    """

    def __init__(
        self,
        recipient: str,
        *,
        sender: str,
        host: str,
        port: int,
        security: Security = "starttls",
        username: str | None = None,
        password: str | None = None,
        cap: CapSender | None = None,
        timeout_s: float = 20.0,
    ) -> None:
        self._recipient = recipient
        self._sender = sender
        self._host = host
        self._port = port
        self._security = security
        self._login = (username, password) if username and password else None
        self._cap = cap
        self._timeout_s = timeout_s

    def send(self, message: AlertMessage) -> None:
        """Send one message.

        Raises:
            DeliveryError: If the server does not take it; permanent on a 5xx reply.
        """
        mail = self.compose(message)
        where = f"{self._host}:{self._port}"
        try:
            server = self._connect()
            try:
                if self._security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if self._login is not None:
                    server.login(*self._login)
                server.send_message(mail)
            finally:  # however the server takes leave, it has the mail or has not
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()
                server.close()
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise _refused(where, code, text) from error
        except smtplib.SMTPResponseException as error:
            raise _refused(where, error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPNotSupportedError as error:
            raise DeliveryError(
                f"{where}: {error}; choose another `security` for this server", permanent=True
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"{where}: {type(error).__name__}: {error}", permanent=False) from error

    def compose(self, message: AlertMessage) -> EmailMessage:
        """The mail of one message; the same message gives the same headers and text."""
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = self._recipient
        mail["Subject"] = headline(message)
        mail["Date"] = format_datetime(message.sent_at)
        mail["Message-ID"] = self._message_id(message.identifier)
        if message.references:
            earlier = [self._message_id(reference.identifier) for reference in message.references]
            mail["In-Reply-To"] = earlier[-1]
            mail["References"] = " ".join(earlier)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice answers
        mail.set_content(full_text(message))
        if self._cap is not None:
            mail.add_attachment(
                cap_document(message, self._cap),
                maintype="application",
                subtype="cap+xml",
                filename=f"{message.identifier}.xml",
            )
        return mail

    def _connect(self) -> smtplib.SMTP:
        if self._security == "tls":
            return smtplib.SMTP_SSL(
                self._host, self._port, timeout=self._timeout_s, context=ssl.create_default_context()
            )
        return smtplib.SMTP(self._host, self._port, timeout=self._timeout_s)

    def _message_id(self, identifier: str) -> str:
        domain = self._sender.rpartition("@")[2].strip("> ") or "activity.invalid"
        return f"<{identifier}@{domain}>"


def _refused(where: str, code: int, text: bytes | str) -> DeliveryError:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return DeliveryError(f"{where}: {code} {said}", permanent=500 <= code < 600)
