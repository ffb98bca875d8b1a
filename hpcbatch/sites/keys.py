"""Keys: what a user or a server is known by, and how it proves that it has one."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable

from ..disk.exposure import READS, exposure
from ..disk.files import make_folder, publish, unlink_quietly, unwritable
from ..words.errors import KeyFileError, ServerChanged
from ..words.extras import needs

with needs("a key", "server"):
    import jwt
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
        load_pem_public_key,
    )

BITS = 3072
FEWEST_BITS = 2048
PROVES_FOR = 60  # seconds that an assertion may be used
ALGORITHM = "RS256"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"  # RFC 7523


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, BITS)


def private_pem(key: rsa.RSAPrivateKey, password: str | None) -> bytes:
    """Encrypted where there is a password. Raises KeyFileError for one that cannot be used."""
    protection: KeySerializationEncryption = NoEncryption()
    try:
        if password is not None:
            protection = BestAvailableEncryption(password.encode())
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    except ValueError:
        raise KeyFileError("a password of a key has 1 to 1023 bytes") from None


def public_pem(key: rsa.RSAPrivateKey | rsa.RSAPublicKey) -> bytes:
    public = key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def store_private(path: str, key: rsa.RSAPrivateKey, password: str | None) -> None:
    """Raises KeyFileError where there is a file already, which is kept."""
    if not store_once(path, private_pem(key, password)):
        raise KeyFileError(f"there is a file {path} already: a key is never overwritten")


def ensure_private(path: str) -> None:
    """Make a key without a password, unless the file is there: none is made in vain, which takes
    a fifth of a second."""
    if not os.path.lexists(path):
        store_once(path, private_pem(new_key(), None))


def load_private(path: str, ask: Callable[[str], str] | None) -> rsa.RSAPrivateKey:
    """``ask`` is called for the password, with the words to ask by, only where there is one.

    Raises KeyFileError.
    """
    pem = read_secret(path)
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        if ask is None:
            raise KeyFileError(f"the key {path} has a password, and nobody can be asked") from None
        return opened(pem, ask(f"password of the key {path}"), path)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} holds no private key in PEM") from None
    return _checked(key, path)


def opened(pem: bytes, password: str, path: str) -> rsa.RSAPrivateKey:
    """A key under a password, from the file ``path``. Raises KeyFileError."""
    try:
        key = load_pem_private_key(pem, password.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"that is not the password of the key {path}") from None
    return _checked(key, path)


def _checked(key: PrivateKeyTypes, path: str) -> rsa.RSAPrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyFileError(f"the key {path} is no RSA key")
    _check_size(key.key_size, f"the key {path}")
    return key


def load_public(pem: bytes, of: str = "that key") -> rsa.RSAPublicKey:
    """``of`` names the file. Raises KeyFileError."""
    if b"PRIVATE KEY" in pem:
        raise KeyFileError(f"{of} is the private half of a key, which stays where it was made")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{of} is no public key in PEM") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyFileError(f"{of} is no RSA key")
    _check_size(key.key_size, of)
    return key


def key_id(public_key: PublicKeyTypes) -> str:
    """What its owner is known by: the hash of the key, 52 characters."""
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b32encode(hashlib.sha256(der).digest()).decode().rstrip("=").lower()


def certificate_key_id(der: bytes) -> str:
    """Of the key in a server's certificate. Raises ServerChanged for what cannot be read."""
    try:
        return key_id(x509.load_der_x509_certificate(der).public_key())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ServerChanged(f"the server's certificate cannot be read: {error}") from error


def assertion(key: rsa.RSAPrivateKey, audience: str, now: float) -> str:
    """Proves to the server ``audience``, once, that we have ``key`` (RFC 7523)."""
    own = key_id(key.public_key())
    issued = int(now)
    claims = {
        "iss": own,
        "sub": own,
        "aud": audience,
        "iat": issued,
        "exp": issued + PROVES_FOR,
        "jti": os.urandom(16).hex(),
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def read_secret(path: str) -> bytes:
    """What nobody else can read. Raises KeyFileError."""
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            content = file.read()
    except FileNotFoundError:
        raise KeyFileError(f"there is no key {path}: hpcbatch keys new makes one") from None
    except OSError as error:
        raise KeyFileError(f"cannot read the key {path}: {error.strerror}") from error
    if how := exposure(found, READS, owners=(found.st_uid,)):
        raise KeyFileError(
            f"others can use the key {path} ({how}): make it yours alone (chmod 600), and think "
            "about a new one if others were on this machine"
        )
    return content


def store_once(path: str, content: bytes) -> bool:
    """Write a file of mode 0600, whole, unless there is one; whether it was written."""
    if os.path.lexists(path):
        return False
    make_folder(os.path.dirname(os.path.abspath(path)))
    draft = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.new"
    publish(draft, content)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        unlink_quietly(draft)
    return True


def _check_size(bits: int, what: str) -> None:
    if bits < FEWEST_BITS:
        raise KeyFileError(f"{what} has {bits} bits, and less than {FEWEST_BITS} are not safe")
