"""E-mail against a small SMTP server on this machine: headers, threads, refusals."""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from activity.alerts import AlertMessage, CameraReference, MessageReference
from activity.alerts.cap import CapSender, cap_document
from activity.alerts.mail import EmailSink
from activity.errors import DeliveryError

Make = Callable[..., AlertMessage]


@dataclass
class Mailbox:
    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)
    reply: dict[str, str] = field(default_factory=dict)  # verb -> reply in place of "250 ok"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A server that speaks as much of RFC 5321 as smtplib uses."""
    box = Mailbox()

    class Conversation(socketserver.StreamRequestHandler):
        def say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline():
                verb = line[:4].upper().decode().strip()
                if verb in box.reply:
                    self.say(box.reply[verb])
                elif verb == "EHLO":
                    self.say("250-here\r\n250-8BITMIME\r\n250 AUTH PLAIN")
                elif verb == "AUTH":
                    box.logins.append(base64.b64decode(line.split()[2]))
                    self.say("235 welcome")
                elif verb == "DATA":
                    self.say("354 go on")
                    content = b"".join(iter(self.rfile.readline, b".\r\n"))
                    box.mails.append(email.message_from_bytes(content, policy=email.policy.default))
                    self.say("250 ok")
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    if verb == "RCPT":
                        box.recipients.append(line.decode().strip())
                    self.say("250 ok")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield box
        server.shutdown()
        thread.join()


def sink_for(box: Mailbox, **options: object) -> EmailSink:
    settings: dict[str, object] = {
        "sender": "activity@cctv.example.org",
        "host": "127.0.0.1",
        "port": box.port,
        "security": "none",
        "timeout_s": 3.0,
    }
    return EmailSink("control@police.example.org", **(settings | options))  # type: ignore[arg-type]


def test_a_mail_arrives_with_text_and_cap(message: Make, mailbox: Mailbox) -> None:
    cap = CapSender("activity@cctv.example.org")
    sink_for(mailbox, cap=cap).send(message())
    (mail,) = mailbox.mails
    assert mailbox.recipients == ["rcpt TO:<control@police.example.org>"]
    assert mail["Subject"] == "TEST ALERT: Fighting (severe), Gate 3, north side"
    assert mail["Message-ID"] == "<0190aa@cctv.example.org>"
    assert mail["Date"].datetime == datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
    assert mail["Auto-Submitted"] == "auto-generated"
    body = mail.get_body()
    assert body is not None
    assert "person 1: Fighting" in body.get_content()
    (attachment,) = mail.iter_attachments()
    assert attachment.get_content_type() == "application/cap+xml"
    assert attachment.get_content() == cap_document(message(), cap)


def test_updates_answer_the_first_mail(message: Make, mailbox: Mailbox) -> None:
    earlier = tuple(MessageReference(name, datetime(2026, 3, 1, tzinfo=UTC)) for name in ("a1", "a2"))
    sink_for(mailbox).send(message(kind="cancel", references=earlier))
    (mail,) = mailbox.mails
    assert mail["In-Reply-To"] == "<a2@cctv.example.org>"
    assert mail["References"] == "<a1@cctv.example.org> <a2@cctv.example.org>"


def test_words_of_a_camera_cannot_add_a_header(message: Make, mailbox: Mailbox) -> None:
    sink_for(mailbox).send(message(camera=CameraReference("c", "Gate\r\nBcc: all@example.org")))
    (mail,) = mailbox.mails
    assert "Bcc" not in mail
    assert len(mailbox.recipients) == 1


def test_a_login_is_used_where_one_is_given(message: Make, mailbox: Mailbox) -> None:
    sink_for(mailbox, username="me", password="secret").send(message())  # noqa: S106
    assert mailbox.logins == [b"\0me\0secret"]


@pytest.mark.parametrize(
    ("verb", "reply", "permanent"),
    [
        ("RCPT", "550 no such mailbox", True),
        ("RCPT", "451 greylisted, come back", False),
        ("MAIL", "553 not from you", True),
        ("AUTH", "535 wrong password", True),
        ("DATA", "452 disk full", False),
    ],
)
def test_refusals_are_told_apart(
    message: Make, mailbox: Mailbox, verb: str, reply: str, permanent: bool
) -> None:
    mailbox.reply[verb] = reply
    with pytest.raises(DeliveryError, match=reply[:3]) as caught:
        sink_for(mailbox, username="me", password="secret").send(message())  # noqa: S106
    assert caught.value.permanent is permanent
    assert mailbox.mails == []


@pytest.mark.parametrize("reply", ["421 going down", "500 what?"])
def test_a_mail_that_was_taken_is_taken_however_the_server_takes_leave(
    message: Make, mailbox: Mailbox, reply: str
) -> None:
    mailbox.reply["QUIT"] = reply
    sink_for(mailbox).send(message())
    assert len(mailbox.mails) == 1


def test_starttls_is_not_given_up_silently(message: Make, mailbox: Mailbox) -> None:
    with pytest.raises(DeliveryError, match="security") as caught:
        sink_for(mailbox, security="starttls").send(message())
    assert caught.value.permanent
    assert mailbox.mails == []


def test_a_server_that_is_away_is_tried_again_later(message: Make, mailbox: Mailbox) -> None:
    with pytest.raises(DeliveryError, match="127") as caught:
        sink_for(mailbox, port=1).send(message())
    assert not caught.value.permanent
