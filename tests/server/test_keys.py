"""Keys of users and servers: their files, their names, what they prove."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from functools import cache
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.sites import keys
from hpcbatch.words.errors import KeyFileError, RegistryUnwritable, ServerChanged, UsageError

from .serving import key_number

NOW = 1_800_000_000.0


@cache
def small_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    empty = tmp_path / "empty"
    empty.mkdir()
    return empty


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def nobody(words: str) -> str:
    raise AssertionError(f"asked for {words}")


def write(path: Path, content: bytes, mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_a_key_is_stored_for_its_owner_alone_and_read_again(folder: Path) -> None:
    path = folder / "of mine" / "key.pem"
    keys.store_private(str(path), key_number(0), None)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert os.listdir(path.parent) == ["key.pem"]
    assert keys.load_private(str(path), nobody).private_numbers() == (
        key_number(0).private_numbers()
    )
    assert key_number(0).key_size == 3072


def test_a_key_is_never_overwritten(folder: Path) -> None:
    path = folder / "key.pem"
    for content in (b"", b"precious"):
        path.write_bytes(content)
        with pytest.raises(KeyFileError, match="never overwritten"):
            keys.store_private(str(path), key_number(0), None)
        assert path.read_bytes() == content
    path.unlink()
    path.symlink_to(folder / "nowhere")
    with pytest.raises(KeyFileError, match="never overwritten"):
        keys.store_private(str(path), key_number(0), None)
    assert os.listdir(folder) == ["key.pem"]


def test_a_key_that_appears_meanwhile_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "key.pem"
    path.write_bytes(b"precious")
    monkeypatch.setattr("os.path.lexists", lambda path: False)
    assert not keys.store_once(str(path), b"another")
    assert path.read_bytes() == b"precious"
    assert os.listdir(folder) == ["key.pem"]


def test_a_disk_without_hard_links_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    with pytest.raises(RegistryUnwritable, match="cannot write"):
        keys.store_once(str(folder / "key.pem"), b"content")
    assert os.listdir(folder) == []


@pytest.mark.parametrize("password", ["x", "two words", "ünïcödé 漢字", "p" * 1023])
def test_a_password_is_asked_for_once_and_names_the_file(folder: Path, password: str) -> None:
    path = str(folder / "key.pem")
    keys.store_private(path, key_number(0), password)
    asked: list[str] = []

    def answer(words: str) -> str:
        asked.append(words)
        return password

    assert keys.load_private(path, answer).private_numbers() == key_number(0).private_numbers()
    assert len(asked) == 1
    assert path in asked[0]


@pytest.mark.parametrize("answer", ["", "wrong", "\udcff", "p" * 5000])
def test_a_wrong_password_is_told(folder: Path, answer: str) -> None:
    path = str(folder / "key.pem")
    keys.store_private(path, key_number(0), "right")
    with pytest.raises(KeyFileError, match="not the password"):
        keys.load_private(path, lambda words: answer)
    with pytest.raises(KeyFileError, match="nobody can be asked"):
        keys.load_private(path, None)


@pytest.mark.parametrize("password", ["", "p" * 1024, "\udcff"])
def test_a_password_that_cannot_be_is_told_before_anything_is_written(
    folder: Path, password: str
) -> None:
    with pytest.raises(KeyFileError, match="password"):
        keys.store_private(str(folder / "key.pem"), key_number(0), password)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o610, 0o666, 0o601])
def test_a_key_that_others_can_read_is_refused(folder: Path, bits: int) -> None:
    path = write(folder / "key.pem", pem_of(key_number(0)), bits)
    with pytest.raises(KeyFileError, match=rf"mode {bits:04o}.*chmod 600"):
        keys.load_private(path, nobody)


def test_what_is_no_private_key_is_refused(folder: Path) -> None:
    path = folder / "key.pem"
    with pytest.raises(KeyFileError, match="no key"):
        keys.load_private(str(path), nobody)
    with pytest.raises(KeyFileError, match="cannot read"):
        keys.load_private(str(folder), nobody)
    whole = pem_of(key_number(0))
    for content in (b"", b"\0" * 100, b"hello", public_pem_of(key_number(0)), whole[:900]):
        with pytest.raises(KeyFileError, match="no private key"):
            keys.load_private(write(path, content), nobody)
    with pytest.raises(KeyFileError, match="no RSA key"):
        keys.load_private(write(path, pem_of(ec.generate_private_key(ec.SECP256R1()))), nobody)
    with pytest.raises(KeyFileError, match="1024 bits"):
        keys.load_private(write(path, pem_of(small_key())), nobody)


def test_a_public_key_is_read_again_and_anything_else_refused() -> None:
    pem = keys.public_pem(key_number(0))
    assert keys.load_public(pem) == key_number(0).public_key()
    assert keys.public_pem(keys.load_public(pem)) == pem
    for content in (b"", b"hello", b"ssh-rsa AAAA", pem[:200]):
        with pytest.raises(KeyFileError, match="no public key"):
            keys.load_public(content)
    with pytest.raises(KeyFileError, match="private half"):
        keys.load_public(pem_of(key_number(0)))
    with pytest.raises(KeyFileError, match="no RSA key"):
        keys.load_public(public_pem_of(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(KeyFileError, match="1024 bits"):
        keys.load_public(public_pem_of(small_key()))
    assert issubclass(KeyFileError, UsageError)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_readers(content: bytes) -> None:
    for armoured in (
        content,
        b"-----BEGIN PUBLIC KEY-----\n%b\n-----END PUBLIC KEY-----\n" % base64.encodebytes(content),
    ):
        with pytest.raises(KeyFileError):
            keys.load_public(armoured)
    with pytest.raises(ServerChanged):
        keys.certificate_key_id(content)


def test_an_id_is_the_whole_hash_of_the_key() -> None:
    found = keys.key_id(key_number(0).public_key())
    der = base64.b64decode(b"".join(keys.public_pem(key_number(0)).splitlines()[1:-1]))
    assert len(found) == 52
    assert found == found.lower()
    assert base64.b32decode(found.upper() + "====") == hashlib.sha256(der).digest()
    assert found != keys.key_id(key_number(1).public_key())


def test_an_assertion_is_what_rfc_7523_asks_for() -> None:
    key = key_number(0)
    made = [keys.assertion(key, "the-server", NOW + 0.7) for _ in range(2)]
    options = {"verify_exp": False, "verify_iat": False}
    claims = [
        jwt.decode(text, key.public_key(), ["RS256"], options, audience="the-server")
        for text in made
    ]
    own = keys.key_id(key.public_key())
    assert {**claims[0], "jti": ""} == {
        "iss": own,
        "sub": own,
        "aud": "the-server",
        "iat": NOW,
        "exp": NOW + 60,
        "jti": "",
    }
    assert len(claims[0]["jti"]) == 32
    assert claims[0]["jti"] != claims[1]["jti"]
