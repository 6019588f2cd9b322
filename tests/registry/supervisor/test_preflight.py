"""What is looked at before anything starts: the port and the folder's lock."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from registry.supervisor.preflight import CannotStart, check_port, lock


def test_a_taken_port_is_one_line_that_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart) as refused:
            check_port("127.0.0.1", port)
    expected = f"Port {port} on 127.0.0.1 is taken: end what listens there, or set PORT."
    assert str(refused.value) == expected
    check_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(CannotStart, match=r"HOST 192\.0\.2\.1 cannot be listened on"):
        check_port("192.0.2.1", 8000)


def test_the_lock_is_held_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "run" / "up.lock"
    path.parent.mkdir()
    held = lock(path)
    with pytest.raises(CannotStart, match=f"Process {os.getpid()} runs on the state folder"):
        lock(path)
    os.close(held)
    os.close(lock(path))
