"""Which network addresses a webhook may reach: a URL that a user typed must not open doors inside the house."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from activity.errors import ConfigurationError, DeliveryError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Addresses that may be connected to.

    Attributes:
        public: Whether addresses of the public internet are allowed.
        networks: Further networks that are allowed, such as an operator's own ``10.1.0.0/16``.
    """

    public: bool = True
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, networks: Sequence[str], *, public: bool = True) -> AddressPolicy:
        """Read networks written as ``10.1.0.0/16`` or ``::1``.

        Raises:
            ConfigurationError: If one of them is no network.
        """
        try:
            return cls(public, tuple(ipaddress.ip_network(text) for text in networks))
        except ValueError as error:
            raise ConfigurationError(
                f"allowed networks: expected such as 10.1.0.0/16, got {error}"
            ) from error

    def allows(self, address: Address) -> bool:
        """Whether a connection to `address` may be opened."""
        address = _reached(address)
        if any(address.version == network.version and address in network for network in self.networks):
            return True
        return self.public and address.is_global and not address.is_multicast


def _look_up(host: str, port: int) -> list[Address]:
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _reached(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for: mapped, by 6to4 (RFC 3056), or by NAT64 (RFC 6052)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


ANY_ADDRESS = AddressPolicy(
    networks=(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")),
)
"""For URLs that the operator wrote into the settings of the server itself."""


def resolve(url: str, policy: AddressPolicy) -> str:
    """Look up the host of `url` and return one address of it; the caller connects to that, and asks no resolver again.

    A name that has both allowed and refused addresses is refused: which of them answers is not ours to choose.

    Raises:
        DeliveryError: Permanently, if the URL is no http(s) URL or an address is not allowed; for now, if the name
            cannot be looked up.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DeliveryError(f"{url}: expected an http or https URL with a host", permanent=True)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = _look_up(parts.hostname, port)
    except ValueError as error:
        raise DeliveryError(f"{url}: {error}", permanent=True) from error
    except OSError as error:
        raise DeliveryError(f"{parts.hostname}: cannot be looked up: {error}", permanent=False) from error
    for address in addresses:
        if not policy.allows(address):
            raise DeliveryError(
                f"{parts.hostname}: its address {address} is not allowed for webhooks; "
                "an operator can allow its network in the settings (alerts.allowed_networks)",
                permanent=True,
            )
    if not addresses:
        raise DeliveryError(f"{parts.hostname}: has no address", permanent=False)
    return str(addresses[0])
