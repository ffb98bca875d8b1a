"""The server's own key, and the certificate that it makes for itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..disk.exposure import WRITES, exposure
from ..disk.files import make_folder, publish, read
from ..sites.keys import ensure_private, key_id, load_private
from ..words.errors import KeyFileError

DAYS = 3652  # that a certificate is valid
ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Identity:
    """``key`` and a certificate for it, as files in ``folder``."""

    folder: str
    key: rsa.RSAPrivateKey

    @classmethod
    def at(cls, folder: str) -> Identity:
        """What is in ``folder``, made where it is missing. Raises KeyFileError."""
        make_folder(folder)
        _check_safe(folder)
        path = _key_path(folder)
        ensure_private(path)
        identity = cls(folder, load_private(path, None))
        if not identity._has_certificate():
            publish(identity.certificate_path, _certificate(identity.key))
        return identity

    @cached_property
    def id(self) -> str:
        return key_id(self.key.public_key())

    @cached_property
    def fingerprint(self) -> str:
        """Of the certificate, as browsers show it: SHA-256, in pairs of hexadecimal digits."""
        found = x509.load_pem_x509_certificate(read(self.certificate_path))
        return found.fingerprint(SHA256()).hex(":").upper()

    @property
    def key_path(self) -> str:
        return _key_path(self.folder)

    @property
    def certificate_path(self) -> str:
        return f"{self.folder}/cert.pem"

    def _has_certificate(self) -> bool:
        try:
            found = x509.load_pem_x509_certificate(read(self.certificate_path))
        except (OSError, ValueError):
            return False
        return found.public_key() == self.key.public_key()


def _key_path(folder: str) -> str:
    return f"{folder}/key.pem"


def _certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hpcbatch")])
    now = datetime.now(timezone.utc)
    addresses = [x509.IPAddress(ip_address(address)) for address in ADDRESSES]
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False)
        .sign(key, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def _check_safe(folder: str) -> None:
    if how := exposure(os.stat(folder), WRITES):
        raise KeyFileError(
            f"others can write to {folder} ({how}) and so become users of the server: make it "
            "yours alone (chmod 700)"
        )
