"""A worker and the door of its pool, which a pool that closes takes away."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import zmq

from hpcbatch.words.door import Door

PROGRAM = """
import sys
from hpcbatch.worker.entry_point import main
sys.exit(main(sys.argv[1:]))
"""


def test_one_that_was_never_let_in_leaves_when_the_pool_closes(tmp_path: Path) -> None:
    public, secret = (key.decode() for key in zmq.curve_keypair())
    code = (str(tmp_path / "code"),)
    (tmp_path / "code").mkdir()
    path = tmp_path / "door.json"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        door = Door([address], public, public, secret, code=code, patience=3600.0)
        path.write_text(json.dumps(door.to_json()))
        argv = [sys.executable, "-c", PROGRAM, str(tmp_path), "1", "0"]
        worker = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        try:
            silent.settimeout(60)
            silent.accept()[0].close()
            path.unlink()
            said = worker.communicate(timeout=60)[1]
        finally:
            worker.kill()
            worker.communicate()
    assert "the controller is gone" in said
