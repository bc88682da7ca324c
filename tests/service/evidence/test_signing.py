"""Signatures of bundles: by whom, over what, and what `activity verify` says of unsigned and wrongly signed ones."""

from __future__ import annotations

import json
import random
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from activity.cli import app
from activity.errors import ConfigurationError
from activity.service.audit_chain import content_hash, link_hash
from activity.service.evidence import verify_bundle
from activity.service.evidence.audit_excerpt import full_line
from activity.service.evidence.bundle import Source, write_bundle
from activity.service.evidence.manifest import AUDIT_LOG, AuditFacts, ClipFacts, Manifest, MemberEntry
from activity.service.evidence.signing import SigningKey, is_signed_by, parse_public_key
from activity.service.settings import ServiceSettings
from tests.service.evidence.bundles import BEFORE, NOON, broken

# RFC 8032, section 7.1, test 1
RFC_SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
RFC_PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.make()


def unsigned(members: tuple[MemberEntry, ...] = (), **changes: Any) -> Manifest:
    """The facts of a bundle with one entry in its log."""
    head = json.loads(log())["hash"]
    values: dict[str, Any] = {
        "generator": "activity 1",
        "incident": {"id": "i1"},
        "clip": ClipFacts(id="c1", original_name="x", sha256="0" * 64, size_bytes=0, member=None),
        "exported_at": "2026-03-01T12:00:11+00:00",
        "exported_by": "key:ann",
        "audit": AuditFacts(previous_hash=BEFORE, first_sequence=7, last_sequence=7, head=head),
        "missing": (),
        "members": members or (MemberEntry(name=AUDIT_LOG, size_bytes=1, sha256="1" * 64),),
    }
    return Manifest(**(values | changes))


def log() -> bytes:
    fields: dict[str, Any] = {
        "sequence": 7,
        "at": NOON,
        "actor": "key:ann",
        "action": "incident.export",
        "subject": "incident:i1",
        "detail": {},
    }
    return full_line(entry_hash=link_hash(BEFORE, content_hash(**fields)), **fields)


def bundle(path: Path, key: SigningKey | None, **changes: Any) -> Path:
    def manifest(members: tuple[MemberEntry, ...]) -> Manifest:
        made = unsigned(members, **changes)
        return made if key is None else key.sign(made)

    with path.open("wb") as target:
        write_bundle(target, [Source.of_bytes(AUDIT_LOG, log())], manifest)
    return path


def test_a_signature_is_that_of_the_standard() -> None:
    """The known key of RFC 8032 has its known public key; its signature verifies by the library alone."""
    secret = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(RFC_SEED))
    key = SigningKey(secret)
    assert key.public_key == RFC_PUBLIC
    signed = key.sign(unsigned())
    assert signed.signature is not None
    content = json.loads(signed.to_bytes())
    del content["signature"], content["manifest_sha256"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    message = b"activity-evidence manifest 1\n" + text.encode()
    secret.public_key().verify(bytes.fromhex(signed.signature.signature), message)  # raises where it is wrong


def test_a_signed_bundle_is_accepted_by_its_key_and_by_no_other(tmp_path: Path, key: SigningKey) -> None:
    path = bundle(tmp_path / "a.zip", key)
    assert verify_bundle(path).valid
    assert verify_bundle(path, public_key=key.public_key.upper()).valid
    assert broken(path, public_key=SigningKey.make().public_key) == ("expectation", "signature")


def test_an_unsigned_bundle_is_named_so_where_a_key_is_expected(tmp_path: Path, key: SigningKey) -> None:
    path = bundle(tmp_path / "a.zip", None)
    assert verify_bundle(path).valid
    found = verify_bundle(path, public_key=key.public_key)
    assert found.broken is not None
    assert "not signed" in found.broken.found


def test_an_unsigned_manifest_is_written_as_before_there_were_signatures() -> None:
    assert b"signature" not in unsigned().sealed().to_bytes()


def test_a_manifest_that_was_sealed_anew_without_the_key_is_named(tmp_path: Path, key: SigningKey) -> None:
    """Somebody who knows how bundles are made changes a fact and all hashes."""
    signed = key.sign(unsigned()).signature
    path = bundle(tmp_path / "a.zip", None, signature=signed, exported_by="key:mallory")
    assert broken(path) == ("signature", "manifest.json")
    assert broken(path, public_key=key.public_key) == ("signature", "manifest.json")


def test_a_bundle_signed_anew_by_a_forger_has_another_key(tmp_path: Path, key: SigningKey) -> None:
    path = bundle(tmp_path / "a.zip", SigningKey.make(), exported_by="key:mallory")
    assert verify_bundle(path).valid  # the key in the bundle vouches for the bundle, whoever made both
    assert broken(path, public_key=key.public_key) == ("expectation", "signature")


def test_every_one_of_100_random_changes_of_a_signed_bundle_is_found(tmp_path: Path, key: SigningKey) -> None:
    path = bundle(tmp_path / "a.zip", key)
    whole = path.read_bytes()
    chance = random.Random(2)
    for position in chance.sample(range(len(whole)), 100):
        changed = bytearray(whole)
        changed[position] ^= chance.randrange(1, 256)
        path.write_bytes(changed)
        assert not verify_bundle(path, public_key=key.public_key).valid, position


@pytest.mark.parametrize("public_key", ["00" * 32, "ff" * 32, "zz"])
def test_what_is_no_key_has_signed_nothing(key: SigningKey, public_key: str) -> None:
    assert not is_signed_by(key.sign(unsigned()), public_key)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "evidence.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: SigningKey.open(path).public_key, range(16)))
    assert keys == {SigningKey.open(path).public_key}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["evidence.key"]
    settings = ServiceSettings.model_validate({"evidence": {"signing_key": str(path)}})
    assert settings.signing_key_file == path


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        rsa.generate_private_key(65537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    ],
)
def test_a_file_that_holds_another_key_or_none_is_refused_with_a_way_out(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "evidence.key"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"evidence\.key: expected an Ed25519 key.*openssl"):
        SigningKey.open(path)
    assert path.read_bytes() == content


def test_a_public_key_is_read_from_digits_or_a_file(tmp_path: Path, key: SigningKey) -> None:
    (tmp_path / "service.pem").write_text(key.public_pem)
    assert parse_public_key(str(tmp_path / "service.pem")) == key.public_key
    assert parse_public_key(key.public_key.upper()) == key.public_key
    other = rsa.generate_private_key(65537, 2048).public_key()
    (tmp_path / "rsa.pem").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for wrong in (str(tmp_path / "rsa.pem"), str(tmp_path / "none.pem"), "12"):
        with pytest.raises(ConfigurationError, match="Ed25519 public key"):
            parse_public_key(wrong)


def test_verify_says_who_signed_and_exits_with_1_for_another_key(tmp_path: Path, key: SigningKey) -> None:
    signed, bare = bundle(tmp_path / "a.zip", key), bundle(tmp_path / "b.zip", None)

    def run(*arguments: str) -> tuple[int, Any, str]:
        result = CliRunner().invoke(app, ["verify", *arguments, "--json"])
        told = CliRunner().invoke(app, ["verify", *arguments])
        assert told.exit_code == result.exit_code
        return result.exit_code, json.loads(result.stdout), " ".join(told.stderr.split())

    code, found, told = run(str(signed), "--public-key", key.public_key)
    assert (code, found["valid"], found["signed_by"]) == (0, True, key.public_key)
    assert f"signing key {key.public_key}" in told
    code, found, told = run(str(signed))
    assert (code, found["signed_by"]) == (0, key.public_key)
    assert "only --public-key compares" in told
    code, found, told = run(str(bare))
    assert (code, found["signed_by"]) == (0, None)
    assert "not signed" in told
    for path in (signed, bare):
        code, found, _ = run(str(path), "--public-key", "0" * 64)
        assert (code, found["valid"], found["broken"]["name"]) == (1, False, "signature")
    assert CliRunner().invoke(app, ["verify", str(signed), "--public-key", "no"]).exit_code != 0
