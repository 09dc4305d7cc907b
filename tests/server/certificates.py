"""A certificate authority that exists for one test, the certificates it signed, and the files they lie in."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from guard.server.tls import Tls

Key: TypeAlias = ed25519.Ed25519PrivateKey
PEM = serialization.Encoding.PEM


class Authority:
    """Signs certificates for 127.0.0.1 and for clients, and writes them to `folder`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = Key.generate()
        self._name = _name(name)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(_certificate(self._name, self._name, self._key, self._key, ca=True).public_bytes(PEM))

    def pair(self, name: str, *, passphrase: bytes | None = None) -> tuple[Path, Path]:
        """The files of a new certificate and its key."""
        key = Key.generate()
        certificate = _certificate(_name(name), self._name, key, self._key, ca=False)
        cert_file, key_file = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        sealed = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        cert_file.write_bytes(certificate.public_bytes(PEM))
        key_file.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, sealed))
        return cert_file, key_file

    def tls(self, **others: object) -> Tls:
        """What a server of this authority is configured with."""
        cert_file, key_file = self.pair("server")
        return Tls(cert_file=cert_file, key_file=key_file, **others)  # type: ignore[arg-type]

    def trusted(self, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """For a client that trusts this authority and nobody else, with a certificate of its own or without."""
        context = ssl.create_default_context(cafile=str(self.file))
        if pair is not None:
            context.load_cert_chain(*pair)
        return context


def _name(text: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A, B")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject: x509.Name, issuer: x509.Name, key: Key, issuer_key: Key, *, ca: bool) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer_key, None)
    )
