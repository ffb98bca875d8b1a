"""dashboard: log in to a server's pages in the browser."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..disk.files import private_opener
from ..words.errors import UsageError
from ..words.text import roughly
from .common import Invocation, common, print_json, say

if TYPE_CHECKING:
    from ..sites.rest.site import Rest

PAUSE = 0.5  # seconds between two questions whether the code was used


@click.command("dashboard")
@click.option(
    "--print", "is_printed", is_flag=True, help="Open no browser: tell the file's path, and wait."
)
@common
def dashboard(invocation: Invocation, is_printed: bool) -> None:
    """See a server's tasks in the browser.

    It is the server of your registry here, or that of --site. The browser opens a file that
    only you can read. It holds a code that lets the browser in once. The file is removed when that
    was used, or after two minutes, for which the command waits.

    \b
    Examples:
      hpcbatch dashboard
      hpcbatch dashboard --site lab
      hpcbatch dashboard --print
    """
    site = _server(invocation)
    given = site.dashboard_code()
    with _file(site.place, given) as path:
        if is_printed or invocation.json:
            _tell(invocation, path, site.place, given)
        else:
            _open(path, given["lives"])
        if given["fingerprint"] and not invocation.json:
            say(
                "The server's certificate is of its own making: when the browser warns of it, go "
                f"on only where it shows this SHA-256 fingerprint:\n  {given['fingerprint']}"
            )
        came_in = _wait(site, given)
    if not came_in:
        raise UsageError(
            "the code was not used in time, and is not valid any more: run hpcbatch dashboard again"
        )
    if not invocation.json:
        say("Logged in.")


def _server(invocation: Invocation) -> Rest:
    """Raises NotFound, UsageError."""
    from ..sites.connect import connect
    from ..sites.here import Here

    site = invocation.site()
    if isinstance(site, Here):
        site = connect(None, invocation.root)
    from ..sites.rest.site import Rest  # by now it is known that its packages are there
    from ..sites.run_file import UNIX

    if not isinstance(site, Rest) or site.place.startswith(UNIX):
        raise UsageError(f"no browser reaches {site.place}: pages need a server of protocol https")
    return site


@contextmanager
def _file(address: str, given: dict[str, Any]) -> Iterator[str]:
    """One of mode 0600 in a folder of its own, of mode 0700."""
    with tempfile.TemporaryDirectory(prefix="hpcbatch-dashboard-") as folder:
        path = f"{folder}/login.html"
        with open(path, "x", opener=private_opener, encoding="utf-8") as file:
            file.write(_page(address, given))
        yield path


def _tell(invocation: Invocation, path: str, address: str, given: dict[str, Any]) -> None:
    if invocation.json:
        told = {"file": path, "address": address, "fingerprint": given["fingerprint"]}
        print_json({**told, "lives": given["lives"]})
    else:
        click.echo(path)
        say(
            f"Open it in your browser within {roughly(given['lives'])}: this command waits for "
            "that, and removes the file; Ctrl-C ends that at once."
        )


def _open(path: str, lives: float) -> None:
    import webbrowser

    if webbrowser.open(Path(path).as_uri()):
        say("Your browser opens.")
    else:
        click.echo(path)
        say("There is no browser to be opened here: open that file in one.")
    say(f"The file goes when it was used, or within {roughly(lives)}; Ctrl-C ends that at once.")


def _wait(site: Rest, given: dict[str, Any]) -> bool:
    """Whether the code was used while it lived."""
    give_up = time.monotonic() + given["lives"]
    while time.monotonic() < give_up:
        if site.dashboard_code_is_used(given["name"]):
            return True
        time.sleep(PAUSE)
    return False


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>hpcbatch</title>
<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 40em; margin: 12vh auto; padding: 0 1.5em; }}
code {{ overflow-wrap: anywhere; }}
button {{ font: inherit; font-weight: 600; padding: .5em 1.6em; margin-top: .5em; }}
</style>
<h1>hpcbatch</h1>
<form method="post" action="{address}/dashboard/enter">
<input type="hidden" name="code" value="{code}">
{certificate}
<button autofocus>Log in to {address}</button>
</form>
<script>
fetch("{address}/info/health", {{mode: "no-cors"}})
  .then(() => document.forms[0].submit(), () => {{}});
</script>
</html>
"""
CERTIFICATE = """<p>The certificate of this server is of its own making, so your browser warns of it
once. <a href="{address}/" target="_blank" rel="noopener">Open its page</a>, look at the certificate
in the warning, and go on only where its SHA-256 fingerprint is</p>
<p><code>{fingerprint}</code></p>
<p>Then come back here and log in.</p>"""


def _page(address: str, given: dict[str, Any]) -> str:
    """Logs in by itself where the browser trusts the certificate already."""
    filled = {name: escape(str(value)) for name, value in {**given, "address": address}.items()}
    certificate = CERTIFICATE.format(**filled) if given["fingerprint"] else ""
    return PAGE.format(**filled, certificate=certificate)
