"""The console script. What it loads at its start stays: looking through that for garbage, again and
again and at the end, would be a sixth of the time of a short command."""

import gc
import sys


def run() -> None:
    gc.disable()
    try:
        from . import main
    except KeyboardInterrupt:
        print("hpcbatch: interrupted: nothing was begun", file=sys.stderr)
        raise SystemExit(130) from None

    gc.freeze()
    gc.enable()
    main.run()
