"""A server that lets in by keyboard-interactive alone: sshd asks such questions through PAM only,
which belongs to the machine."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import paramiko

from .sshd import Host, make_key


class AskingServer:
    """Runs commands as whoever tests, in the home of ``host``."""

    code = "314159"

    def __init__(self, folder: Path, host: Host):
        folder.mkdir(parents=True)
        make_key(folder / "key", "ecdsa")
        self._key = paramiko.ECDSAKey.from_private_key_file(str(folder / "key"))
        self._env = {**os.environ, **host.env, "HOME": str(folder / "home")}
        entrance = folder / "home" / host.enter.relative_to(host.home)
        entrance.parent.mkdir(parents=True)
        entrance.write_text(host.enter.read_text())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._transports: list[paramiko.Transport] = []

    def known_line(self) -> str:
        return f"[127.0.0.1]:{self.port} {self._key.get_name()} {self._key.get_base64()}\n"

    def __enter__(self) -> AskingServer:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for transport in self._transports:
            transport.close()

    def _serve(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            transport = paramiko.Transport(client)
            transport.add_server_key(self._key)
            self._transports.append(transport)
            try:
                transport.start_server(server=_Asking(self.code, self._env))
            except (paramiko.SSHException, EOFError):
                continue


class _Asking(paramiko.ServerInterface):
    def __init__(self, code: str, env: dict[str, str]):
        self._code, self._env = code, env

    def get_allowed_auths(self, username: str) -> str:
        return "keyboard-interactive"

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        query = paramiko.InteractiveQuery("Two factors", "Look at your telephone.")
        query.add_prompt("code: ", False)
        return query

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        is_right = list(responses) == [self._code]
        return paramiko.AUTH_SUCCESSFUL if is_right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command), daemon=True).start()
        return True

    def _run(self, channel: Any, command: bytes) -> None:
        with subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=self._env,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
            while content := process.stdout.read1():
                channel.sendall(content)
        channel.send_exit_status(process.returncode)
        channel.close()


def _feed(channel: Any, target: Any) -> None:
    while content := channel.recv(1 << 16):
        target.write(content)
        target.flush()
    target.close()
