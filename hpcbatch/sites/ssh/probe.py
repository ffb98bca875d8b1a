# Runs on a login node that has no hpcbatch yet, by the Python that was found there: looks around,
# and prints what it found as JSON. Its argument is a folder with the variables of a plain shell
# and of a login shell.

import json
import os
import platform
import sys
import sysconfig

OF_ONE_SHELL = ("PWD", "OLDPWD", "SHLVL", "_", "TERM", "HOME", "USER", "LOGNAME", "SHELL", "MAIL")
ODD = ("SSH_", "BASH_FUNC_", "XDG_SESSION", "DBUS_", "LC_")


def variables(path: str) -> "dict[str, str]":
    with open(path, "rb") as file:
        pairs = [entry.partition(b"=") for entry in file.read().split(b"\0") if entry]
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def is_plain(name: str) -> bool:
    is_name = name.isascii() and name.isidentifier()
    return is_name and name not in OF_ONE_SHELL and not name.startswith(ODD)


def main() -> None:
    folder = sys.argv[1]
    plain, login = variables(folder + "/plain"), variables(folder + "/login")
    added = {n: v for n, v in login.items() if is_plain(n) and plain.get(n) != v}
    disk = os.statvfs(folder)
    try:
        import ensurepip
        import venv

        has_venv = bool(ensurepip and venv)
    except ImportError:
        has_venv = False
    found = {
        "python": sys.executable,
        "minor": "{}.{}".format(*sys.version_info[:2]),
        "home": os.path.expanduser("~"),
        "host": platform.node(),
        "platform": sysconfig.get_platform(),
        "free": disk.f_bavail * disk.f_frsize,
        "has_venv": has_venv,
        "variables": added,
    }
    print(json.dumps(found))


main()
