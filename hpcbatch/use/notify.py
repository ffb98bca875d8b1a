"""Tells a person or a program that nothing of a task is alive any more: a command, or a URL."""

from __future__ import annotations

import contextlib
import json
import os

from ..disk.files import read, write_all
from ..registry.view import View
from ..words.errors import HpcbatchError, SchedulerError
from ..words.model import Attempt
from ..words.status import TaskStatus

SECONDS = 30.0  # that a command or a server has to answer


def notify(view: View, status: TaskStatus) -> str:
    """Call what the last attempt asked for, once; returns what went wrong, or nothing.

    A command runs by ``/bin/sh`` in the task's folder, with the status as JSON on its standard
    input; a URL gets the same by POST.
    """
    attempt = _last_taken(view)
    if attempt is None or not attempt.options.notify or not status.idle:
        return ""
    target, text = attempt.options.notify, json.dumps(status.to_json())
    try:
        marker = os.open(_marker(view, attempt), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return ""
    except OSError as error:
        return f"the notification failed: {error}"
    try:
        if target.startswith(("http://", "https://")):
            _post(target, text)
        else:
            _run(target, text, view.spec.folder)
    except (HpcbatchError, OSError, ValueError) as error:
        failure = f"the notification failed: {error}"
        with contextlib.suppress(OSError):  # it is told now, if not later
            write_all(marker, failure.encode("utf-8", "backslashreplace"))
        return failure
    finally:
        os.close(marker)
    return ""


def failed_notification(view: View) -> str:
    """What went wrong when ``notify`` was called for the last attempt; empty where nothing did."""
    attempt = _last_taken(view)
    if attempt is None or not attempt.options.notify:
        return ""
    try:
        return read(_marker(view, attempt)).decode("utf-8", "replace")
    except OSError:  # nobody was told yet
        return ""


def _last_taken(view: View) -> Attempt | None:
    return next((a for a in reversed(view.attempts) if a.is_taken), None)


def _marker(view: View, attempt: Attempt) -> str:
    return view.layout.attempt(attempt.number).notified


def _run(command: str, text: str, folder: str) -> None:
    from ..cluster import shell  # and what runs programs, which a status has no use for

    ways = (folder, os.path.expanduser("~"), "/")  # the first may be of another host
    here = next(way for way in ways if os.path.isdir(way) and os.access(way, os.X_OK))
    output = shell.run(["/bin/sh", "-c", command], text, SECONDS, folder=here)
    if output.status != 0:
        raise SchedulerError(str(output))


def _post(url: str, text: str) -> None:
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    headers = {"Content-Type": "application/json"}
    try:
        with urlopen(Request(url, text.encode(), headers), timeout=SECONDS):
            return
    except HTTPException as error:
        raise OSError(f"{url}: {error}") from error
