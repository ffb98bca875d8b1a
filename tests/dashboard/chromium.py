"""Debian's Chromium, which trusts the certificate of one server, and what it complained about."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, Page, sync_playwright

from tests.server.conftest import Server

WAIT = 60_000.0  # milliseconds; the machine may be busy


@contextmanager
def chromium(server: Server) -> Iterator[Browser]:
    trusts = f"--ignore-certificate-errors-spki-list={_pin(server)}"
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=[*sandbox, trusts]
        )
        yield browser
        browser.close()


def _pin(server: Server) -> str:
    pem = (server.root / "server/identity/cert.pem").read_bytes()
    key = x509.load_pem_x509_certificate(pem).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


class Tab:
    """A page of a browser's own context."""

    def __init__(self, browser: Browser, **more: Any):
        self.address = ""
        self.complaints: list[str] = []
        self.page: Page = browser.new_context(**more).new_page()
        self.page.set_default_timeout(WAIT)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def log_in(self, server: Server) -> None:
        """In short: with a code, and no file."""
        self.address = str(server.told()["address"])
        code = server.site().dashboard_code()["code"]
        self.page.goto(f"{self.address}/")
        self.page.evaluate(
            """(code) => {
                const form = document.createElement("form");
                Object.assign(form, { method: "post", action: "/dashboard/enter" });
                const input = document.createElement("input");
                form.append(Object.assign(input, { name: "code", value: code }));
                document.body.append(form);
                form.submit();
            }""",
            code,
        )
        self.page.wait_for_selector(".page")

    def log_in_by_file(self, server: Server) -> None:
        """Through the file of ``hpcbatch dashboard --print``."""
        self.address = str(server.told()["address"])
        command = [*server.command, "dashboard", "--print"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, text=True, **pipes) as process:
            assert process.stdout is not None
            path = Path(process.stdout.readline().strip())
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            self.page.goto(path.as_uri())
            self.page.wait_for_url(f"{self.address}/")
            self.page.wait_for_selector(".page")
            _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert "Logged in." in said
        assert not path.parent.exists()

    def open(self, name: str) -> None:
        """The page of a task, from the list."""
        self.page.goto(f"{self.address}/#/")
        self.page.get_by_role("link", name=name).click()
        self.page.wait_for_selector("canvas.grid[aria-valuetext*=job]")

    def count(self, state: str, jobs: int) -> None:
        """Wait until the page of a task tells so many jobs in a state."""
        shown = self.page.locator(f'.states [data-state="{state}"] b')
        shown.get_by_text(str(jobs), exact=True).wait_for()

    def is_wider_than_its_window(self) -> bool:
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(wide))
