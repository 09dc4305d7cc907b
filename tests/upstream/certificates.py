"""A certificate authority that exists for one test, and what it signed: for a backend, and for whoever asks it."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SERVER_NAME = "backend.test"


class Certificates:
    """Files in a folder: `ca.pem`; `server.pem` for `names`; `client.pem`; each with its `.key`."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        ca = self._certificate(self._authority, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self._write("ca", ca, self._key)
        self._issue("server", *(names or ("127.0.0.1",)))
        self._issue("client", "client.test")

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def server(self, *, asks_for_ours: bool = False) -> ssl.SSLContext:
        """How the backend speaks TLS; perhaps only with those whom the authority knows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file("server.pem"), self.file("server.key"))
        if asks_for_ours:
            context.load_verify_locations(self.file("ca.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def encrypt(self, name: str) -> None:
        """Put a password on a key."""
        path = self.folder / name
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        sealed = serialization.BestAvailableEncryption(b"password")
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed))

    def _issue(self, file: str, *names: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        self._write(file, self._certificate(subject, key, x509.SubjectAlternativeName(map(_name, names))), key)

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        pem = serialization.Encoding.PEM
        (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
        (self.folder / f"{name}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
