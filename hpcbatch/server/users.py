"""Who may use a server: a file per public key."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import asdict, dataclass, replace

from ..disk.files import make_folder, publish, read
from ..disk.locks import held
from ..sites.keys import key_id, load_public, public_pem
from ..words.errors import DamagedFile, NotFound, RegistryError, UsageError
from ..words.formats import FORMAT, checked_format
from ..words.messages import nearest, without_file

PATIENCE = 10.0  # seconds to wait for another who changes users
_ID = re.compile(r"[a-z2-7]{52}")
_MEND = (
    "put it back from a backup, or remove it, and add the key again unless it was revoked "
    "(hpcbatch keys add)"
)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")

_Version = tuple[int, int, int, int]


@dataclass(frozen=True)
class User:
    """``id`` is the hash of the public key; ``added`` and ``revoked`` are seconds since 1970."""

    id: str
    name: str
    admin: bool
    public_pem: str
    added: float
    revoked: float | None


LOCAL = "local"  # the name of the user who started the server
ANONYMOUS = User("anonymous", "anonymous", False, "", 0.0, None)


def check_name(name: str) -> None:
    """Raises UsageError for what cannot be the name of a user who is added."""
    if name == LOCAL:
        raise UsageError(f"{name!r} is whoever starts the server: choose another name")
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no user's name: 1 to 40 letters, digits, '.', '_', '-'")


class Users:
    """The users in ``folder``, which other processes may change at any time."""

    def __init__(self, folder: str):
        self._folder = folder
        self._known: dict[str, tuple[_Version, User | None]] = {}

    def add(self, pem: bytes, name: str, admin: bool = False, *, is_local: bool = False) -> User:
        """The same key again changes its name and rights. Raises UsageError."""
        if not is_local:
            check_name(name)
        key = load_public(pem)
        user = User(key_id(key), name, admin, public_pem(key).decode(), time.time(), None)
        make_folder(self._folder)
        with held(self._lock, PATIENCE):
            for other in self.all():
                if other.id == user.id:
                    if other.revoked is not None:
                        raise UsageError(f"the key of {other.name} was revoked: use a new one")
                    user = replace(user, added=other.added)
                elif other.name == name and other.revoked is None:
                    raise UsageError(f"there is another user {name!r}: choose another name")
            self._publish(user)
        return user

    def all(self) -> list[User]:
        """Oldest first, those that were revoked included. Raises DamagedFile, NewerFormat."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:  # none was added yet
            return []
        ids = (name.removesuffix(".json") for name in names)
        found = (self._read(one) for one in ids if _ID.fullmatch(one))
        return sorted(found, key=lambda user: (user.added, user.id))

    def find(self, text: str) -> User:
        """By id or name; by name one that was not revoked comes first. Raises NotFound."""
        users = self.all()
        for found in (
            [user for user in users if user.id == text],
            [user for user in users if user.name == text and user.revoked is None],
            [user for user in users if user.name == text],
        ):
            if len(found) == 1:
                return found[0]
            if found:
                ids = ", ".join(user.id for user in found)
                raise NotFound(f"{text!r} is the name of several users: {ids}")
        raise NotFound(f"there is no user {text!r}{nearest(text, {u.name for u in users})}")

    def revoke(self, text: str) -> User:
        """For good: that key will not be added again. Raises NotFound."""
        self.find(text)  # where there is none, there may be no folder for the lock
        with held(self._lock, PATIENCE):
            user = self.find(text)
            if user.revoked is None:
                user = replace(user, revoked=time.time())
                self._publish(user)
        return user

    def get(self, user_id: str) -> User | None:
        """The user as it is now, revoked or not; none where the file is damaged. Raises OSError
        where nobody can tell: a disk that is away is no refusal."""
        if not _ID.fullmatch(user_id):
            return None
        path = self._path(user_id)
        try:
            with open(path, "rb") as file:  # over NFS a mere stat may be old
                version = _version(file.fileno())
                known = self._known.get(user_id)
                if known is None or known[0] != version:
                    known = version, _user_if_whole(file.read(), path, user_id)
                    self._known[user_id] = known
                return known[1]
        except (FileNotFoundError, PermissionError):
            self._known.pop(user_id, None)
            return None

    def _read(self, user_id: str) -> User:
        path = self._path(user_id)
        try:
            content = read(path)
        except OSError as error:
            raise DamagedFile(
                f"{path} cannot be read: {without_file(error)}. Let it belong to whoever "
                "runs the server (chown, chmod 600)"
            ) from error
        return _user(content, path, user_id)

    def _publish(self, user: User) -> None:
        fields = {"format": FORMAT, **asdict(user)}
        publish(self._path(user.id), json.dumps(fields, indent=1).encode())

    def _path(self, user_id: str) -> str:
        return f"{self._folder}/{user_id}.json"

    @property
    def _lock(self) -> str:
        return f"{self._folder}/users.lock"


def _user(content: bytes, path: str, user_id: str) -> User:
    try:
        user = User(**checked_format(json.loads(content), path))
        if user.id != user_id or key_id(load_public(user.public_pem.encode())) != user_id:
            raise ValueError("it holds another key than its name says")
        if type(user.admin) is not bool or not _NAME.fullmatch(user.name):
            raise ValueError("its name or its rights are none")
        times = [user.added] if user.revoked is None else [user.added, user.revoked]
        if not all(type(seconds) in (int, float) for seconds in times):
            raise ValueError("its times are none")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFile(f"{path} is damaged: {error}; {_MEND}") from error
    return user


def _user_if_whole(content: bytes, path: str, user_id: str) -> User | None:
    try:
        return _user(content, path, user_id)
    except RegistryError:
        return None


def _version(fd: int) -> _Version:
    found = os.fstat(fd)
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
