"""An exception as text."""

from __future__ import annotations


def describe(
    error: BaseException, passes: type[BaseException] | tuple[()] = ()
) -> tuple[str, str, str]:
    """Type, message and traceback, whatever the exception's own methods do; but what ``passes`` is
    raised on when it comes from them."""
    import traceback

    try:
        message = str(error)
    except passes:
        raise
    except BaseException as second:
        message = f"(its message cannot be shown: {type(second).__name__})"
    frames = error.__traceback__
    if frames is not None and frames.tb_next is not None:
        frames = frames.tb_next  # the first frame is ours
    try:
        lines = traceback.format_exception(type(error), error, frames)
    except passes:
        raise
    except BaseException as second:
        lines = [f"{type(error).__name__} (its traceback cannot be shown: {second!r})\n"]
    return type(error).__name__, message, "".join(lines)
