"""Python of the server's owner, named in its settings: routers, and functions that are asked."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ..sites import wire
from ..words.errors import ConfigError, HpcbatchError
from ..words.model import TaskSpec
from ..words.options import SubmitOptions
from .settings import ServerOptions
from .users import User

log = logging.getLogger("hpcbatch.server")


def load(setting: str, name: str) -> Any:
    """What ``package.module:attribute`` names. Raises ConfigError."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever the module's own code raises
        raise ConfigError(f"{setting}: {name} cannot be loaded: {error!r}") from error


class Hooks:
    """Raises ConfigError for a function that cannot be loaded."""

    def __init__(self, options: ServerOptions):
        self._new_job = _function("func_newjob", options.func_newjob)
        self._validate = _function("func_validate_server", options.func_validate_server)

    def new_job(self, user: User, spec: TaskSpec, options: SubmitOptions) -> SubmitOptions:
        """``func_newjob(user, task, options)`` is called with three tables before a submission is
        accepted, or its script is shown. It may return other options, and refuses by raising an
        error of hpcbatch."""
        if self._new_job is None:
            return options
        whose = {"id": user.id, "name": user.name, "admin": user.admin}
        told = wire.options_json(options)
        changed = _called("func_newjob", self._new_job, whose, spec.to_json(), told)
        return options if changed is None else wire.options_from(changed)

    def validation(self) -> Mapping[str, Any]:
        """``func_validate_server()`` returns what ``/validate/ping`` tells besides."""
        if self._validate is None:
            return {}
        return dict(_called("func_validate_server", self._validate) or {})


def _function(setting: str, name: str) -> Callable[..., Any] | None:
    if not name:
        return None
    found = load(setting, name)
    if not callable(found):
        raise ConfigError(f"{setting}: {name} is no function")
    return found  # type: ignore[no-any-return]


def _called(setting: str, function: Callable[..., Any], *given: Any) -> Any:
    try:
        return function(*given)
    except HpcbatchError:
        raise
    except Exception as error:  # a mistake of the server's owner is not the client's
        log.exception("%s failed", setting)
        raise HpcbatchError(f"{setting} of this server failed: {error!r}") from error
