"""What all tests share: no network, fixed seeds, and the real data sets where a test asks for them."""

from __future__ import annotations

import ipaddress
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(__file__).resolve().parents[1] / "../shared/data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets, for tests marked `real_data`; the test fails where it is missing."""
    folder = DATA.resolve()
    if not (folder / "README.md").is_file():
        pytest.fail(
            f"{folder}: the real data sets are missing. Put them there (clips/, people/, trajectories/, ...), "
            "or leave these tests out: scripts/test without --all"
        )
    return folder


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Refuse every connection and every name but this machine's own; processes that a test starts are not seen."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any, /) -> None:
        _require_local(self.family, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any, /) -> int:
        _require_local(self.family, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        if host is not None:
            _require_local(socket.AF_INET, (host if isinstance(host, str) else host.decode(), 0))
        return getaddrinfo(host, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


def _require_local(family: int, address: Any) -> None:
    if family not in (socket.AF_INET, socket.AF_INET6):
        return  # a socket file, or a pair within the process
    host = str(address[0])
    if host in ("", "localhost"):
        return
    try:
        local = ipaddress.ip_address(host.partition("%")[0])
        allowed = local.is_loopback or local.is_unspecified
    except ValueError:
        allowed = False
    if not allowed:
        raise RuntimeError(f"tests do not use the network: a connection to {host} was refused")


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - for libraries that draw from numpy's global generator
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Trainings set how many threads torch and OpenCV may use in this process; the next test finds them as they were."""
    torch, cv2 = sys.modules.get("torch"), sys.modules.get("cv2")
    before = torch and torch.get_num_threads(), cv2 and cv2.getNumThreads()
    yield
    if torch:
        torch.set_num_threads(before[0])
    if cv2:
        cv2.setNumThreads(before[1])
