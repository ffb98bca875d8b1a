"""Assertions and tokens: what is exchanged, and every way to get in without a key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.server import tokens as module
from hpcbatch.server.identity import Identity
from hpcbatch.server.tokens import BAD_TOKEN, EXPIRED, NOT_KNOWN, NOT_VALID, Tokens
from hpcbatch.server.users import User, Users
from hpcbatch.sites.keys import assertion, key_id, public_pem
from hpcbatch.words.errors import AccessDenied, DamagedFile, KeyFileError, RegistryUnwritable

from .serving import key_number
from .test_keys import mode

NOW = 1_800_000_000.0
KEEP_ALIVE = 600.0
SERVERS, ALICES, BOBS = 0, 1, 2  # numbers of keys


class Server:
    """A server with a user, and assertions for it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.identity = Identity(str(folder), key_number(SERVERS))
        self.users = Users(str(folder / "users"))
        self.alice = self.users.add(public_pem(key_number(ALICES)), "alice")
        self.start()

    def start(self) -> None:
        """Again, too, as after a kill."""
        folder = str(self.folder / "tokens")
        self.tokens = Tokens(self.identity, self.users, folder, KEEP_ALIVE)

    @property
    def used(self) -> Path:
        return self.folder / "tokens" / "assertions.used"

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of a good assertion, changed; left out where they are ``...``."""
        claims = {
            "iss": self.alice.id,
            "sub": self.alice.id,
            "aud": self.identity.id,
            "iat": NOW,
            "exp": NOW + 60,
            "jti": os.urandom(16).hex(),
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not ...}

    def signed(self, number: int = ALICES, **changes: Any) -> str:
        return signed(self.claims(**changes), key_number(number))

    def token(self, now: float = NOW) -> str:
        return self.tokens.exchange(self.signed(iat=now, exp=now + 60), now)[0]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "server")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """One that a property is tried on many times."""
    return Server(tmp_path_factory.mktemp("shared"))


def signed(claims: Any, key: RSAPrivateKey) -> str:
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key, "RS256")


def part(fields: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


def by_hand(algorithm: str, claims: Any, secret: bytes) -> str:
    """Signed by HMAC with what a library refuses as a secret, such as a public key."""
    text = f"{part({'typ': 'JWT', 'alg': algorithm})}.{part(claims)}"
    digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(AccessDenied) as caught:
        ask()
    return str(caught.value)


def exchanged(server: Server, text: str, now: float = NOW) -> str:
    """Why it was refused; empty where it was not."""
    try:
        server.tokens.exchange(text, now)
    except AccessDenied as error:
        return str(error)
    return ""


def test_an_assertion_gets_a_token_that_tells_the_user(server: Server) -> None:
    text = assertion(key_number(ALICES), server.identity.id, NOW)
    token, lives = server.tokens.exchange(text, NOW)
    assert lives == KEEP_ALIVE
    assert server.tokens.user_of(token, NOW) == server.alice
    assert server.tokens.user_of(token, NOW + KEEP_ALIVE - 1) == server.alice


def test_nobody_else_can_read_what_is_remembered(server: Server) -> None:
    server.token()
    folder = server.folder / "tokens"
    assert mode(folder) == 0o700
    assert {name: mode(folder / name) for name in os.listdir(folder)} == {
        "token.secret": 0o600,
        "assertions.used": 0o600,
    }
    assert (folder / "token.secret").stat().st_size == 32


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": "one in a list"},
        {"iat": NOW - 59, "exp": NOW + 1},
        {"iat": NOW - 119, "exp": NOW - 59},
        {"iat": NOW + 60, "exp": NOW + 120},
        {"iat": NOW + 0.5, "exp": NOW + 60.5},
        {"exp": NOW + 300},
        {"nbf": NOW + 50},
        {"nbf": NOW - 1000},
        {"jti": "j" * 16},
        {"jti": "j" * 128},
        {"jti": "漢\ud800\n" * 10},
        {"admin": True, "more": [1]},
    ],
    ids=str,
)
def test_good_assertions(server: Server, changes: dict[str, Any]) -> None:
    if changes.get("aud"):
        changes = {"aud": [server.identity.id]}
    token, _ = server.tokens.exchange(server.signed(**changes), NOW)
    assert server.tokens.user_of(token, NOW) == server.alice
    assert not server.tokens.user_of(token, NOW).admin


CLOCKS = "the clocks of this machine and the server differ by {} s"

BAD_CLAIMS: list[tuple[dict[str, Any], str]] = [
    *(({name: ...}, NOT_VALID) for name in ("iss", "sub", "aud", "iat", "exp", "jti")),
    *(({name: None}, NOT_VALID) for name in ("iss", "sub", "aud", "iat", "exp", "nbf", "jti")),
    *(({"aud": aud}, NOT_VALID) for aud in ("", [], "a" * 52, ["a" * 52], {}, 1, True, "alice")),
    *(({"sub": sub}, NOT_VALID) for sub in ("", "bob", [], 1)),
    *(({"iss": iss}, NOT_VALID) for iss in ([], 1, {}, True)),
    *(({"iss": iss}, NOT_KNOWN) for iss in ("", "alice", "a" * 52, "../" * 17 + "a", "\ud800")),
    *(({"jti": jti}, NOT_VALID) for jti in ("", "j" * 15, "j" * 129, 1 << 200, ["j" * 16])),
    *(
        ({name: value}, NOT_VALID)
        for name in ("iat", "exp", "nbf")
        for value in ("1", True, [], -1, 1e12, 10**400, float("nan"), float("inf"))
    ),
    ({"exp": NOW}, NOT_VALID),
    ({"exp": NOW - 1}, NOT_VALID),
    ({"exp": NOW + 301}, NOT_VALID),
    ({"exp": NOW + 1e6}, NOT_VALID),
    ({"iat": NOW - 86_400}, NOT_VALID),
    ({"iat": NOW + 1, "exp": NOW + 301}, NOT_VALID),
    ({"nbf": NOW + 60}, NOT_VALID),
    ({"iat": NOW + 61, "exp": NOW + 121}, CLOCKS.format(61)),
    ({"iat": NOW + 86_400, "exp": NOW + 86_460}, CLOCKS.format(86_400)),
    ({"iat": NOW - 120, "exp": NOW - 60}, CLOCKS.format(120)),
    ({"iat": NOW - 3600, "exp": NOW - 3540}, CLOCKS.format(3600)),
    ({"nbf": NOW + 90, "exp": NOW + 120}, CLOCKS.format(90)),
]


@pytest.mark.parametrize(("changes", "told"), BAD_CLAIMS, ids=lambda value: str(value)[:40])
def test_bad_claims_under_a_good_signature(
    server: Server, changes: dict[str, Any], told: str
) -> None:
    assert exchanged(server, server.signed(**changes)) == told
    assert not server.used.exists()


def test_two_audiences_are_refused_even_where_one_is_the_server(server: Server) -> None:
    both = [server.identity.id, "a" * 52]
    for aud in (both, both[::-1], [server.identity.id] * 2, [[server.identity.id]]):
        assert exchanged(server, server.signed(aud=aud)) == NOT_VALID


@pytest.mark.parametrize("claims", [[], "text", 1, None, [["iss", "alice"]]], ids=str)
def test_claims_that_are_no_table(server: Server, claims: Any) -> None:
    assert exchanged(server, signed(claims, key_number(ALICES))) == NOT_VALID


def test_forged_signatures(server: Server) -> None:
    public = public_pem(key_number(ALICES))
    claims = server.claims()
    good = server.signed()
    head, body, signature = good.split(".")
    none = {name: part({"typ": "JWT", "alg": name}) for name in ("none", "None", "NONE", "")}
    forged = {
        "another's key": server.signed(BOBS),
        "the server's key": server.signed(SERVERS),
        "no signature": f"{head}.{body}.",
        "cut off": good[:-6],
        "one character": f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        "another's claims": f"{head}.{part(server.claims(jti='j' * 20))}.{signature}",
        "another header": f"{part({'alg': 'RS256', 'kid': 'x'})}.{body}.{signature}",
        "no algorithm": f"{part({'typ': 'JWT'})}.{body}.{signature}",
        "a list of algorithms": f"{part({'alg': ['RS256']})}.{body}.{signature}",
        "none and a signature": f"{none['none']}.{body}.{signature}",
        "HS256 by the public PEM": by_hand("HS256", claims, public),
        "the same, stripped": by_hand("HS256", claims, public.strip()),
        "HS256 by nothing": by_hand("HS256", claims, b""),
        "HS256 that claims RS256": by_hand("RS256", claims, public),
        **{f"algorithm {name!r}": f"{head}.{body}." for name, head in none.items()},
    }
    for algorithm in ("RS384", "RS512", "PS256"):
        text = jwt.encode(claims, key_number(ALICES), algorithm=algorithm)
        forged[algorithm] = text
    for headers in ({"b64": False}, {"crit": ["exp"]}, {"crit": ["b64"]}):
        text = f"{part({'alg': 'RS256', **headers})}.{body}.{signature}"
        forged[str(headers)] = text
    found = {what: exchanged(server, text) for what, text in forged.items()}
    assert found == dict.fromkeys(forged, NOT_VALID)
    assert not server.used.exists()
    assert exchanged(server, good) == ""


def test_keys_that_come_with_the_assertion_are_not_used(server: Server) -> None:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key_number(BOBS).public_key()))
    payload = json.dumps(server.claims()).encode()
    for headers in ({"jwk": public}, {"jku": "http://127.0.0.1:1/"}, {"kid": "../../dev/null"}):
        text = jwt.PyJWS().encode(payload, key_number(BOBS), "RS256", headers)
        assert exchanged(server, text) == NOT_VALID


def test_a_user_cannot_be_another(server: Server) -> None:
    bob = server.users.add(public_pem(key_number(BOBS)), "bob")
    assert exchanged(server, server.signed(BOBS)) == NOT_VALID
    assert exchanged(server, server.signed(BOBS, iss=bob.id)) == NOT_VALID
    assert exchanged(server, server.signed(BOBS, sub=bob.id)) == NOT_VALID
    token, _ = server.tokens.exchange(server.signed(BOBS, iss=bob.id, sub=bob.id), NOW)
    assert server.tokens.user_of(token, NOW) == bob


def test_an_unknown_key_is_told_what_to_do(server: Server) -> None:
    stranger = key_id(key_number(BOBS).public_key())
    text = server.signed(BOBS, iss=stranger, sub=stranger)
    assert exchanged(server, text) == NOT_KNOWN
    server.users.add(public_pem(key_number(BOBS)), "bob")
    assert exchanged(server, text) == ""


@pytest.mark.parametrize("restarts", [False, True])
def test_an_assertion_is_used_once(server: Server, restarts: bool) -> None:
    text = server.signed()
    server.tokens.exchange(text, NOW)
    for seconds in (0, 60, 119, 120, 10_000):
        if restarts:
            server.start()
        assert exchanged(server, text, NOW + seconds) != ""


def test_the_same_name_in_another_assertion_is_a_replay_too(server: Server) -> None:
    assert exchanged(server, server.signed(jti="j" * 16)) == ""
    assert exchanged(server, server.signed(jti="j" * 16, exp=NOW + 90)) == NOT_VALID
    bob = server.users.add(public_pem(key_number(BOBS)), "bob").id
    assert exchanged(server, server.signed(BOBS, iss=bob, sub=bob, jti="j" * 16)) == ""


def test_of_threads_that_replay_at_once_one_gets_in(server: Server) -> None:
    for _ in range(5):
        text = server.signed()
        start = Barrier(8)

        def attempt(_: int, text: str = text, start: Barrier = start) -> str:
            start.wait()
            return exchanged(server, text)

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(attempt, range(8))) == ["", *[NOT_VALID] * 7]


def test_a_line_that_was_cut_off_harms_no_other(server: Server) -> None:
    first, second, third = (server.signed() for _ in range(3))
    server.tokens.exchange(first, NOW)
    before = server.used.stat().st_size
    server.tokens.exchange(second, NOW)
    whole = server.used.read_bytes()
    for size in range(before, len(whole) + 1):
        server.used.write_bytes(whole[:size])
        server.start()
        assert exchanged(server, first) == NOT_VALID
        assert exchanged(server, second) == (NOT_VALID if size == len(whole) else "")
        assert exchanged(server, third) == ""
        server.start()
        assert [exchanged(server, text) for text in (first, second, third)] == [NOT_VALID] * 3


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\0" * 5000, b"9" * 10_000, b"1 2\n\xff"])
def test_a_damaged_memory_is_no_obstacle(server: Server, content: bytes) -> None:
    server.used.write_bytes(content)
    server.start()
    text = server.signed()
    assert exchanged(server, text) == ""
    server.start()
    assert exchanged(server, text) == NOT_VALID


def test_the_memory_does_not_grow_for_ever(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Used, "_FEW", 10)
    server.start()
    largest = 0
    for number in range(60):
        now = NOW + 30 * number
        text = server.signed(iat=now, exp=now + 60)
        server.tokens.exchange(text, now)
        if number % 7 == 0:
            server.start()
        assert exchanged(server, text, now) == NOT_VALID
        largest = max(largest, len(server.used.read_bytes().splitlines()))
    assert largest <= 30
    assert len(server.tokens._used._ends) <= 30
    assert mode(server.used) == 0o600


def test_what_two_clocks_may_differ_by_is_remembered_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module._Used, "_FEW", 1)
    server.start()
    text = server.signed(exp=NOW + 60.5)
    server.tokens.exchange(text, NOW)
    for seconds in (61, 120.4):
        server.token(NOW + seconds)
        assert exchanged(server, text, NOW + seconds) == NOT_VALID


def test_a_memory_that_is_all_needed_is_kept_and_seldom_written_anew(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module._Used, "_FEW", 4)
    written: list[str] = []
    really = module.publish
    monkeypatch.setattr(
        module, "publish", lambda path, content: (written.append(path), really(path, content))
    )
    server.start()
    texts = [server.signed() for _ in range(40)]
    assert [exchanged(server, text) for text in texts] == [""] * 40
    assert 1 <= len(written) <= 5
    server.start()
    assert [exchanged(server, text) for text in texts] == [NOT_VALID] * 40


def test_what_cannot_be_remembered_gets_no_token(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = server.signed()
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_all", lambda fd, content: os.write(fd, content[:7]) and fail())
        with pytest.raises(RegistryUnwritable, match="No space"):
            server.tokens.exchange(text, NOW)
    assert exchanged(server, text) == ""
    server.start()
    assert exchanged(server, text) == NOT_VALID


def fail() -> None:
    raise OSError(28, "No space left on device")


def test_tokens_survive_a_restart_and_end_on_time(server: Server) -> None:
    token = server.token()
    server.start()
    assert server.tokens.user_of(token, NOW + KEEP_ALIVE - 1) == server.alice
    for seconds in (KEEP_ALIVE, KEEP_ALIVE + 1, 1e9):
        assert refusal(lambda at=NOW + seconds: server.tokens.user_of(token, at)) == EXPIRED


def test_a_token_ends_with_its_user(server: Server) -> None:
    token, text = server.token(), server.signed()
    Users(str(server.folder / "users")).revoke("alice")  # by another process
    assert refusal(lambda: server.tokens.user_of(token, NOW)) == NOT_KNOWN
    assert exchanged(server, text) == NOT_KNOWN
    (server.folder / "users" / f"{server.alice.id}.json").unlink()
    assert refusal(lambda: server.tokens.user_of(token, NOW)) == NOT_KNOWN


def test_rights_are_those_of_now(server: Server) -> None:
    token = server.token()
    assert not server.tokens.user_of(token, NOW).admin
    server.users.add(public_pem(key_number(ALICES)), "alice", admin=True)
    assert server.tokens.user_of(token, NOW).admin


def token_claims(user: User, **changes: Any) -> dict[str, Any]:
    claims = {"sub": user.id, "iat": NOW, "exp": NOW + 60, "typ": "hpcbatch-token", **changes}
    return {name: value for name, value in claims.items() if value is not ...}


def test_forged_tokens(server: Server, tmp_path: Path) -> None:
    secret = (server.folder / "tokens" / "token.secret").read_bytes()
    good = token_claims(server.alice)
    head, body, signature = server.token().split(".")
    none = part({"typ": "JWT", "alg": "none"})
    forged = {
        "nothing": "",
        "an assertion": server.signed(),
        "an assertion with the type": server.signed(typ="hpcbatch-token"),
        "another server's": Server(tmp_path / "other").token(),
        "another secret": by_hand("HS256", good, b"x" * 32),
        "no secret": by_hand("HS256", good, b""),
        "the public key": by_hand("HS256", good, public_pem(key_number(SERVERS))),
        "none": f"{none}.{part(good)}.",
        "none and a signature": f"{none}.{body}.{signature}",
        "no signature": f"{head}.{body}.",
        "other claims": f"{head}.{part(good)}.{signature}",
        "another algorithm": jwt.encode(good, secret * 2, algorithm="HS512"),
        "an algorithm of its own": by_hand("HS384", good, secret),
    }
    changes: list[dict[str, Any]] = [
        *({name: ...} for name in ("sub", "exp", "typ")),
        *({name: None} for name in ("sub", "exp", "typ")),
        {"exp": "never"},
        {"exp": float("inf")},
        {"sub": [server.alice.id]},
        {"typ": "JWT"},
    ]
    for change in changes:
        forged[str(change)] = by_hand("HS256", token_claims(server.alice, **change), secret)
    for what, text in forged.items():
        assert (what, refusal(lambda text=text: server.tokens.user_of(text, NOW))) == (
            what,
            BAD_TOKEN,
        )
    assert server.tokens.user_of(by_hand("HS256", good, secret), NOW) == server.alice


def test_a_token_is_no_assertion(server: Server) -> None:
    assert exchanged(server, server.token()) == NOT_VALID


GARBAGE: list[Any] = [
    "",
    ".",
    "..",
    "...",
    "a.b.c",
    "é.漢.🎉",
    "\udcff.a.b",
    "\0.\0.\0",
    f"{part({'alg': 'RS256'})}..",
    f"{part([])}.{part({})}.AAAA",
    f"{part({'alg': 'RS256'})}.{'[' * 6000}.AAAA",
    f"{part({'alg': 'RS256'})}.{base64.urlsafe_b64encode(b'[' * 5000).decode().rstrip('=')}.AAAA",
    "A" * 100_000_000,
    "." * 8192,
    None,
    b"a.b.c",
    17,
]


@pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage(server: Server, text: Any) -> None:
    assert exchanged(server, text) == NOT_VALID
    assert refusal(lambda: server.tokens.user_of(text, NOW)) == BAD_TOKEN


def test_what_is_very_long_is_refused_though_it_is_signed(server: Server) -> None:
    assert exchanged(server, server.signed(more="x" * 10_000)) == NOT_VALID


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}"))
def test_no_text_gets_in(shared: Server, text: str) -> None:
    assert exchanged(shared, text) in (NOT_VALID, NOT_KNOWN)
    assert refusal(lambda: shared.tokens.user_of(text, NOW)) == BAD_TOKEN


@given(st.data())
def test_no_single_change_of_a_token_or_assertion_gets_in(
    shared: Server, data: st.DataObject
) -> None:
    for text, ask in (
        (shared.signed(), shared.tokens.exchange),
        (shared.token(), shared.tokens.user_of),
    ):
        place = data.draw(st.integers(0, len(text) - 1))
        other = data.draw(st.sampled_from("ABCxyz019-_.="))
        changed = f"{text[:place]}{other}{text[place + 1 :]}"
        if changed != text:
            with pytest.raises(AccessDenied):
                ask(changed, NOW)


@given(
    st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "iat", "exp", "nbf", "jti", "typ"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_claims_of_any_kind_get_a_token_or_a_refusal(
    shared: Server, changes: dict[str, Any]
) -> None:
    claims = shared.claims(**changes)
    told = exchanged(shared, signed(claims, key_number(ALICES)))
    if not told:
        assert claims["iss"] == claims["sub"] == shared.alice.id
        assert claims["aud"] == shared.identity.id
        assert isinstance(claims["jti"], str)


@given(st.floats(-400, 400), st.floats(-10, 400))
def test_times_are_accepted_exactly_where_they_should_be(
    shared: Server, late: float, lives: float
) -> None:
    iat, exp = NOW + late, NOW + late + lives
    is_good = iat < exp <= iat + 300 and iat - NOW <= 60 and exp + 60 > NOW and exp - NOW <= 300
    assert (exchanged(shared, shared.signed(iat=iat, exp=exp)) == "") == is_good


def test_a_secret_that_is_damaged_or_open_to_others_is_refused(server: Server) -> None:
    path = server.folder / "tokens" / "token.secret"
    whole = path.read_bytes()
    for content in (b"", whole[:31], whole * 2):
        path.write_bytes(content)
        with pytest.raises(DamagedFile, match=r"token\.secret"):
            server.start()
    path.write_bytes(whole)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        server.start()
    path.chmod(0o600)
    server.start()


def test_without_the_secret_all_tokens_have_ended(server: Server) -> None:
    token = server.token()
    (server.folder / "tokens" / "token.secret").unlink()
    server.start()
    assert refusal(lambda: server.tokens.user_of(token, NOW)) == BAD_TOKEN
