"""The console script. What it loads at its start stays: looking through that for garbage, again and
again and at the end, would be a sixth of the time of a short command."""

import gc


def run() -> None:
    gc.disable()
    try:
        from . import main
    except KeyboardInterrupt:
        raise SystemExit(130) from None

    gc.freeze()
    gc.enable()
    main.run()
