"""One element on its node: runs the script, and leaves word in the spool of how it ended, since
DRMAA tells that to the session alone that submitted it (GFD.133, drmaa_wait).

It is copied into the spool and runs there as a file: standard library only. Signals of the
scheduler are passed on to the script; where they went to the whole group of processes, that gets
them twice, and the runner takes a second one for the first.
"""

from __future__ import annotations

import os
import signal
import sys
import time

PASSED_ON = {
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGXCPU,
}
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
JOB_IDS = ("JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")
NEAR_SECONDS = 5.0  # before the limit, or a tenth of it: whoever dies now dies of that


class Element:
    def __init__(self, folder: str, walltime: float | None):
        self._began = time.time()
        self._folder = folder
        self._index = os.environ["HPCBATCH_DRMAA_INDEX"]
        self._walltime = walltime

    def run(self) -> int:
        """The status to end with."""
        self._announce()
        if self._has("canceled-all"):
            return 0  # nobody knew its id when that was asked for
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {*PASSED_ON, signal.SIGCHLD})
        script = ["/bin/bash", f"{self._folder}/script.sh"]
        child = os.posix_spawn(
            script[0], script, os.environ, setsigmask=before, setsigdef=IGNORED_BY_PYTHON
        )
        status, memory = self._wait(child)
        code = os.waitstatus_to_exitcode(status)
        reason = "killed" if code < 0 else f"exit-code {code}" if code else "ended"
        self._tell("ended", reason, code, memory)
        return code if code >= 0 else 128 - code

    def _wait(self, child: int) -> tuple[int, int]:
        """Its status, and the peak memory of one of its processes, in bytes."""
        wanted = {*PASSED_ON, signal.SIGCHLD}
        near = None
        if self._walltime:
            near = self._began + max(self._walltime * 0.9, self._walltime - NEAR_SECONDS)
        while True:
            pid, status, usage = os.wait4(child, os.WNOHANG)
            if pid:
                return status, usage.ru_maxrss * 1024
            if near is not None and time.time() >= near:
                self._tell("limit", "timeout", None, None)
                near = None
            left = 3600.0 if near is None else max(near - time.time(), 0.0)
            came = signal.sigtimedwait(wanted, left)
            if came is not None and came.si_signo != signal.SIGCHLD:
                os.kill(child, came.si_signo)

    def _announce(self) -> None:
        """An array whose ids nobody saw is found by this; so is an element that runs again."""
        names = (f"{self._index}.ended", f"{self._index}.limit", "endings.json", "over")
        known = self._has("ids") and not any(map(self._has, names))
        for name in (*names[:2], "over"):
            try:
                os.unlink(f"{self._folder}/{name}")
            except OSError:
                pass
        if not known:
            self._publish("begun", {"job": self._job()})

    def _has(self, name: str) -> bool:
        return os.path.exists(f"{self._folder}/{name}")

    def _job(self) -> str:
        """As DRMAA would call it: Grid Engine's elements are 7.1, 7.2."""
        job = next(filter(None, map(os.environ.get, JOB_IDS)), "")
        if os.environ.get("SGE_TASK_ID", "").isdigit():
            return f"{job}.{self._index}"
        if "SLURM_ARRAY_JOB_ID" in os.environ:
            return f"{job}_{self._index}"
        return f"{job}[{self._index}]" if "LSB_JOBINDEX" in os.environ else job

    def _tell(self, kind: str, reason: str, code: int | None, memory: int | None) -> None:
        self._publish(
            kind,
            {
                "reason": reason,
                "code": None if code is None or code < 0 else code,
                "signal": -code if code is not None and code < 0 else None,
                "host": os.uname().nodename,
                "elapsed": round(time.time() - self._began, 3),
                "memory": memory,
            },
        )

    def _publish(self, kind: str, fields: dict[str, object]) -> None:
        import json

        path = f"{self._folder}/{self._index}.{kind}"
        temporary = f"{path}.{os.uname().nodename}.{os.getpid()}.tmp"
        try:
            with open(temporary, "w", encoding="ascii") as file:
                json.dump(fields, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            return  # the spool is full or gone: the element's own results say what matters


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(Element(sys.argv[1], float(sys.argv[2] or 0)).run())
