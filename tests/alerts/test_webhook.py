"""Signed webhooks: what the standardwebhooks library accepts, what is tried again, and which addresses are refused."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from activity.alerts import AlertMessage
from activity.alerts.addresses import ANY_ADDRESS, AddressPolicy, resolve
from activity.alerts.webhook import WebhookSink, new_secret, sign
from activity.errors import ConfigurationError, DeliveryError

Make = Callable[..., AlertMessage]


def sink_for(server: Any, *secrets: str, **options: Any) -> WebhookSink:
    return WebhookSink(
        f"{server.url}/hook",
        signing_secrets=secrets or (new_secret(),),
        policy=ANY_ADDRESS,
        **options,
    )


def test_the_standard_library_verifies_the_request(message: Make, http_server: Any) -> None:
    secret = new_secret()
    sink_for(http_server, secret).send(message())
    (request,) = http_server.requests
    content = Webhook(secret).verify(request.body, request.headers)
    assert content["type"] == "incident.alert"
    assert content["data"]["incident_id"] == "inc7"
    assert AlertMessage.from_json(content["data"]) == message()
    assert request.headers["webhook-id"] == "0190aa"
    assert (request.method, request.path) == ("POST", "/hook")
    for tampered in (request.body.replace(b"severe", b"minor!"), request.body + b" "):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(tampered, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(request.body, request.headers)


def test_a_signature_is_the_one_worked_out_by_the_library() -> None:
    secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    ours = sign(secret, message_id="msg_1", timestamp=int(moment.timestamp()), body='{"é": 1}'.encode())
    assert ours == Webhook(secret).sign("msg_1", moment, '{"é": 1}')


def test_while_a_secret_is_replaced_both_verify(message: Make, http_server: Any) -> None:
    old, new = new_secret(), new_secret()
    sink_for(http_server, new, old).send(message())
    for secret in (old, new):
        Webhook(secret).verify(http_server.requests[0].body, http_server.requests[0].headers)


def test_every_attempt_has_the_same_id_and_body_and_its_own_time(message: Make, http_server: Any) -> None:
    now = int(time.time())
    ticks = iter((now - 60, now))
    sink = sink_for(http_server, clock=lambda: float(next(ticks)))
    sink.send(message())
    sink.send(message())
    first, second = http_server.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] == str(now - 60)
    assert second.headers["webhook-timestamp"] == str(now)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_%%%", "whsec_" + "QUJD", base64.b64encode(bytes(32)).decode()]
)
def test_a_weak_or_damaged_secret_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="secret"):
        WebhookSink("https://example.org", signing_secrets=[secret], policy=ANY_ADDRESS)


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (500, False),
        (503, False),
        (429, False),
        (408, False),
        (409, False),
        (400, True),
        (404, True),
        (410, True),
        (301, False),
    ],
)
def test_refusals_are_told_apart(message: Make, http_server: Any, status: int, permanent: bool) -> None:
    http_server.answers[0].status = status
    http_server.answers[0].body = b"no\n  thanks"
    http_server.answers[0].headers = {"Location": f"{http_server.url}/elsewhere"}
    with pytest.raises(DeliveryError, match=f"/hook: answered {status} no thanks") as caught:
        sink_for(http_server).send(message())
    assert caught.value.permanent is permanent
    assert len(http_server.requests) == 1  # a redirect is not followed


def test_the_receiver_says_when_to_come_back(message: Make, http_server: Any) -> None:
    for value, least, most in (
        ("120", 120.0, 120.0),
        (format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True), 90, 100),
    ):
        http_server.answers[0].status = 429
        http_server.answers[0].headers = {"Retry-After": value}
        with pytest.raises(DeliveryError) as caught:
            sink_for(http_server).send(message())
        assert least <= (caught.value.retry_after_s or -1) <= most
    http_server.answers[0].headers = {"Retry-After": "soon"}
    with pytest.raises(DeliveryError) as caught:
        sink_for(http_server).send(message())
    assert caught.value.retry_after_s is None


def test_a_receiver_that_does_not_answer_holds_nobody_up(message: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = WebhookSink(
            f"http://127.0.0.1:{silent.getsockname()[1]}/",
            signing_secrets=[new_secret()],
            policy=ANY_ADDRESS,
            timeout_s=0.2,
        )
        with pytest.raises(DeliveryError, match="no answer") as caught:
            sink.send(message())
    assert not caught.value.permanent


def test_secrets_in_a_url_are_not_shown(message: Make, http_server: Any) -> None:
    http_server.answers[0].status = 500
    url = http_server.url.replace("http://", "http://user:hunter2@") + "/hook?token=hunter3"
    sink = WebhookSink(url, signing_secrets=[new_secret()], policy=ANY_ADDRESS)
    with pytest.raises(DeliveryError) as caught:
        sink.send(message())
    assert "hunter" not in str(caught.value)
    assert http_server.requests[0].path == "/hook?token=hunter3"
    assert "hunter" not in http_server.requests[0].headers["host"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://10.0.0.8/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.8]/",
        "http://[64:ff9b::a00:8]/",
        "http://[2002:a00:8::1]/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://[fe80::1]/",
        "http://localhost/",
        "ftp://192.0.2.1/",
        "file:///etc/passwd",
        "http:///nowhere",
        "http://127.0.0.1:99999/",
    ],
)
def test_a_url_of_a_user_reaches_no_inner_address(url: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        resolve(url, AddressPolicy())
    assert caught.value.permanent


def test_an_operator_can_allow_a_network(message: Make, http_server: Any) -> None:
    policy = AddressPolicy.parse(["127.0.0.0/8"])
    WebhookSink(http_server.url, signing_secrets=[new_secret()], policy=policy).send(message())
    assert len(http_server.requests) == 1
    assert resolve("http://[::ffff:127.0.0.1]/", policy) == "::ffff:7f00:1"
    with pytest.raises(DeliveryError, match="not allowed"):
        resolve("http://10.0.0.8/", policy)
    with pytest.raises(ConfigurationError, match="such as"):
        AddressPolicy.parse(["10.1.0.0/99"])


def test_a_name_is_looked_up_once_and_connected_to_as_checked(
    message: Make, http_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that first says a good address and then an inner one gets only one question."""
    port = int(http_server.url.rpartition(":")[2])
    asked: list[Any] = []
    real = socket.getaddrinfo

    def lookup(host: Any, *rest: Any, **options: Any) -> Any:
        if host != "rebinding.example":
            return real(host, *rest, **options)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.8"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    sink = WebhookSink(
        f"http://rebinding.example:{port}/",
        signing_secrets=[new_secret()],
        policy=AddressPolicy.parse(["127.0.0.0/8"]),
    )
    sink.send(message())
    assert asked == ["rebinding.example"]
    assert http_server.requests[0].headers["host"] == f"rebinding.example:{port}"


def test_a_name_with_one_inner_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, 1, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.8")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(DeliveryError, match=r"10\.0\.0\.8 is not allowed"):
        resolve("http://mixed.example/", AddressPolicy())


def test_the_body_is_compact_json(message: Make, http_server: Any) -> None:
    sink_for(http_server).send(message(note="größer"))
    assert json.loads(http_server.requests[0].body)["data"]["note"] == "größer"
    assert "größer".encode() in http_server.requests[0].body
