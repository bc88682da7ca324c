"""Ed25519 (RFC 8032) over the manifest of a bundle: the installation's key, signing with it, and checking."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from activity.errors import ConfigurationError
from activity.service.evidence.manifest import Manifest, ManifestSignature

KEY_FILE: Final = "evidence.key"
_PURPOSE: Final = b"activity-evidence manifest 1\n"  # a signature of ours means this and nothing else


class SigningKey:
    """The secret key of one installation.

    Args:
        secret: The key.
    """

    def __init__(self, secret: Ed25519PrivateKey) -> None:
        self._secret = secret

    @classmethod
    def make(cls) -> SigningKey:
        """A new random key, in memory only."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def open(cls, path: Path) -> SigningKey:
        """Read the key; the first time, make it, readable by its owner alone.

        Raises:
            ConfigurationError: If the file cannot be read or made, or holds no Ed25519 key.
        """
        try:
            if not path.exists():
                _write_new(path)
            content = path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"{path}: the key that signs evidence can be neither read nor made: {error.strerror}; name a file of "
                "this service's own with evidence.signing_key"
            ) from error
        try:
            secret = load_pem_private_key(content, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigurationError(_no_key(path)) from error
        if not isinstance(secret, Ed25519PrivateKey):
            raise ConfigurationError(_no_key(path))
        return cls(secret)

    @property
    def public_key(self) -> str:
        """The public key: 64 hexadecimal digits."""
        return self._secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    @property
    def public_pem(self) -> str:
        """The public key as PEM (SubjectPublicKeyInfo)."""
        pem = self._secret.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode("ascii")

    def sign(self, manifest: Manifest) -> Manifest:
        """The manifest with its signature, not sealed yet."""
        signature = self._secret.sign(_message(manifest)).hex()
        return manifest.model_copy(
            update={"signature": ManifestSignature(public_key=self.public_key, signature=signature)}
        )


def is_signed_by(manifest: Manifest, public_key: str) -> bool:
    """Whether the manifest's signature is one of this key (64 hexadecimal digits) over this manifest."""
    if manifest.signature is None:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(manifest.signature.signature), _message(manifest))
    except (InvalidSignature, ValueError):
        return False
    return True


def parse_public_key(text: str) -> str:
    """A public key as 64 hexadecimal digits, given as such or as the name of a PEM file.

    Raises:
        ConfigurationError: If it is neither.
    """
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return text.lower()
    path = Path(text)
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            f"{text}: expected 64 hexadecimal digits or a PEM file with an Ed25519 public key"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{text}: expected an Ed25519 public key, got a key of another kind")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _message(manifest: Manifest) -> bytes:
    return _PURPOSE + manifest.signed_content()


def _write_new(path: Path) -> None:
    """Make a key file, whole or not at all; of two processes that do so at once, one wins and both use its key."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, path)  # fails where there is one already
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)


def _no_key(path: Path) -> str:
    return (
        f"{path}: expected an Ed25519 key as PEM without a password; make one with: "
        "openssl genpkey -algorithm ed25519 -out FILE"
    )
