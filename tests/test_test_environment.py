"""The guards of conftest.py guard."""

from __future__ import annotations

import socket

import cv2
import pytest
import torch

found_threads: list[tuple[int, int]] = []


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.invalid", 80)])
def test_a_connection_to_another_machine_is_refused(address: tuple[str, int]) -> None:
    with socket.socket() as stream, pytest.raises(RuntimeError, match=f"{address[0]} was refused"):
        stream.connect(address)
    with socket.socket() as stream, pytest.raises(RuntimeError, match="was refused"):
        stream.connect_ex(address)


def test_a_name_of_another_machine_is_not_looked_up() -> None:
    with pytest.raises(RuntimeError, match=r"example\.invalid was refused"):
        socket.getaddrinfo("example.invalid", 443)


def test_a_server_on_this_machine_can_be_reached() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        client.sendall(b"ping")
        assert accepted.recv(4) == b"ping"


@pytest.mark.parametrize("time", range(4))
def test_threads_that_a_test_takes_are_given_back(time: int) -> None:
    threads = torch.get_num_threads(), cv2.getNumThreads()
    found_threads.append(threads)
    assert found_threads[0] == threads
    torch.set_num_threads(threads[0] + 1)
    cv2.setNumThreads(threads[1] + 1)
