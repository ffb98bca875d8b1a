"""The key of a server and its certificate."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hpcbatch.server.identity import Identity
from hpcbatch.sites.keys import certificate_key_id, key_id, private_pem
from hpcbatch.words.errors import KeyFileError

from .serving import key_number
from .test_keys import mode, write

STARTING = """
import sys
from hpcbatch.server.identity import Identity
print("ready", flush=True)
sys.stdin.readline()
print(Identity.at(sys.argv[1]).id)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a server whose key is there."""
    folder = tmp_path / "server"
    folder.mkdir(mode=0o700)
    write(folder / "key.pem", private_pem(key_number(0), None))
    return folder


def certificate(identity: Identity) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(identity.certificate_path).read_bytes())


def test_an_identity_is_made_once_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "server"
    identity = Identity.at(str(folder))
    assert mode(folder) == 0o700
    assert sorted(os.listdir(folder)) == ["cert.pem", "key.pem"]
    assert {mode(folder / name) for name in os.listdir(folder)} == {0o600}
    before = [(folder / name).read_bytes() for name in ("cert.pem", "key.pem")]
    assert Identity.at(str(folder)).id == identity.id
    assert [(folder / name).read_bytes() for name in ("cert.pem", "key.pem")] == before


def test_its_id_is_that_of_the_key_and_of_the_certificate(folder: Path) -> None:
    identity = Identity.at(str(folder))
    assert identity.id == key_id(key_number(0).public_key())
    assert certificate_key_id(certificate(identity).public_bytes(Encoding.DER)) == identity.id


def test_the_certificate_says_what_it_should(folder: Path) -> None:
    found = certificate(Identity.at(str(folder)))
    found.verify_directly_issued_by(found)
    assert found.subject.rfc4514_string() == "CN=hpcbatch"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1"]
    assert 3650 <= (found.not_valid_after_utc - found.not_valid_before_utc).days <= 3654


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_tls_accepts_it_for_this_machine(folder: Path, name: str) -> None:
    identity = Identity.at(str(folder))
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(identity.certificate_path, identity.key_path)
    here = ssl.create_default_context(cafile=identity.certificate_path)
    here.verify_flags |= ssl.VERIFY_X509_STRICT
    forth, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = here.wrap_bio(back, forth, server_hostname=name)
    server = there.wrap_bio(forth, back, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    found = client.getpeercert(binary_form=True)
    assert found is not None
    assert certificate_key_id(found) == identity.id


def test_a_certificate_that_is_damaged_or_of_another_key_is_made_anew(
    folder: Path, tmp_path: Path
) -> None:
    identity = Identity.at(str(folder))
    path = folder / "cert.pem"
    whole = path.read_bytes()
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    write(other / "key.pem", private_pem(key_number(1), None))
    for content in (b"", whole[:300], Path(Identity.at(str(other)).certificate_path).read_bytes()):
        path.write_bytes(content)
        again = Identity.at(str(folder))
        assert again.id == identity.id
        assert certificate_key_id(certificate(again).public_bytes(Encoding.DER)) == identity.id


def test_two_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", STARTING, str(tmp_path / "server")]
    pipe = subprocess.PIPE
    starting = [subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for process in starting:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in starting:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ids = {process.communicate(timeout=120)[0] for process in starting}
    assert len(ids) == 1
    assert ids == {f"{Identity.at(str(tmp_path / 'server')).id}\n"}


def test_a_key_that_cannot_be_used_is_told_and_kept(folder: Path) -> None:
    write(folder / "key.pem", b"damaged")
    with pytest.raises(KeyFileError, match=r"key\.pem"):
        Identity.at(str(folder))
    assert (folder / "key.pem").read_bytes() == b"damaged"
    write(folder / "key.pem", private_pem(key_number(0), None), 0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        Identity.at(str(folder))


@pytest.mark.parametrize("bits", [0o770, 0o707, 0o722])
def test_a_folder_that_others_can_write_to_is_refused(folder: Path, bits: int) -> None:
    folder.chmod(bits)
    with pytest.raises(KeyFileError, match="chmod 700"):
        Identity.at(str(folder))
