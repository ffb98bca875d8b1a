"""Tells a person or a program that nothing of a task is alive any more: a command, or a URL."""

from __future__ import annotations

import json
import os

from ..cluster import shell
from ..registry.view import View
from ..words.errors import HpcbatchError, SchedulerError
from ..words.status import TaskStatus

SECONDS = 30.0  # that a command or a server has to answer


def notify(view: View, status: TaskStatus) -> str:
    """Call what the last attempt asked for, once; returns what went wrong, or nothing.

    A command runs by ``/bin/sh`` with the status as JSON on its standard input; a URL gets the
    same by POST.
    """
    attempt = next((a for a in reversed(view.attempts) if a.is_taken), None)
    if attempt is None or not attempt.options.notify or not status.idle:
        return ""
    marker = view.layout.attempt(attempt.number).notified
    target, text = attempt.options.notify, json.dumps(status.to_json())
    try:
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        if target.startswith(("http://", "https://")):
            _post(target, text)
        else:
            output = shell.run(["/bin/sh", "-c", target], text, SECONDS)
            if output.status != 0:
                raise SchedulerError(str(output))
    except FileExistsError:
        return ""
    except (HpcbatchError, OSError, ValueError) as error:
        return f"the notification failed: {error}"
    return ""


def _post(url: str, text: str) -> None:
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    headers = {"Content-Type": "application/json"}
    try:
        with urlopen(Request(url, text.encode(), headers), timeout=SECONDS):
            return
    except HTTPException as error:
        raise OSError(f"{url}: {error}") from error
