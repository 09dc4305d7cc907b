"""TLS 1.2 and 1.3 of a listener: contexts made from files, made anew when the files change, and what a handshake tells.

A certificate or key that cannot be used is an OSError that names the file and what to do; while serving, the pair in
force stays and the fault is logged. A client certificate is verified on every connection: there is no resumption where
one is asked for.
"""

import asyncio
import errno
import ssl
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias

import msgspec
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

_FOLLOW_EVERY_S = 1.0
_VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_SUITE = 0xFFFF
_REQUIREMENT = {"optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}

_Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]

_log = structlog.get_logger()


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a listener that speaks TLS. With a CA, client certificates are asked for."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    client_certs: Literal["optional", "required"] = "optional"


class Told(msgspec.Struct, frozen=True):
    """What a handshake told: the `tls` extension of an ASGI scope, and the client's certificate in DER."""

    extension: dict[str, Any]
    certificate: bytes | None


class Secured(msgspec.Struct, frozen=True):
    """A context for handshakes, and what is known of it."""

    context: ssl.SSLContext
    server_cert: str
    suites: dict[str, int]

    def told(self, handshake: ssl.SSLObject) -> Told:
        """What a handshake in this context told (ASGI TLS extension 0.2)."""
        certificate = handshake.getpeercert(binary_form=True)
        cipher = handshake.cipher()
        extension = {
            "server_cert": self.server_cert,
            "client_cert_chain": [] if certificate is None else [ssl.DER_cert_to_PEM_cert(certificate)],
            "client_cert_name": None if certificate is None else _name(certificate),
            "client_cert_error": None,
            "tls_version": _VERSIONS.get(handshake.version() or ""),
            "cipher_suite": None if cipher is None else self.suites.get(cipher[0]),
        }
        return Told(extension, certificate)


class Certificates:
    """What is in force for the next handshake."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._stamp = _stamp(tls)
        self.current = secured(tls)

    def refresh(self) -> None:
        """Take the files anew if they changed. If they cannot be used, what was in force stays."""
        stamp = _stamp(self._tls)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.current = secured(self._tls)
        except OSError as error:
            _log.error("listener.tls_reload_failed", error=error.strerror, file=error.filename, in_force="the old pair")
        else:
            _log.info("listener.tls_reloaded", cert_file=str(self._tls.cert_file))

    async def follow(self) -> None:
        """Look at the files each second, for ever."""
        while True:
            await asyncio.sleep(_FOLLOW_EVERY_S)
            self.refresh()


def secured(tls: Tls) -> Secured:
    """A context from the files. Raises OSError with the file's name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    server_cert = _load_pair(context, tls)
    if tls.client_ca_file is not None:
        _load_ca(context, tls.client_ca_file)
        context.verify_mode = _REQUIREMENT[tls.client_certs]
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    suites = {cipher["name"]: cipher["id"] & _SUITE for cipher in context.get_ciphers()}
    return Secured(context, server_cert, suites)


def _load_pair(context: ssl.SSLContext, tls: Tls) -> str:
    try:
        server_cert = x509.load_pem_x509_certificates(tls.cert_file.read_bytes())[0]
    except ValueError:
        _refuse("no certificate in PEM form in this file", tls.cert_file)
    tls.key_file.read_bytes()  # a file that is not there gets an error that names it
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_passphrase)
    except _Encrypted:
        _refuse("this key is encrypted; store it without a passphrase: openssl pkey -in KEY -out NEW", tls.key_file)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            _refuse(f"this key is not the one of the certificate in {tls.cert_file}", tls.key_file)
        _refuse(f"certificate and key cannot be used ({error.reason})", tls.key_file)
    return server_cert.public_bytes(Encoding.PEM).decode()


def _load_ca(context: ssl.SSLContext, file: Path) -> None:
    file.read_bytes()
    try:
        context.load_verify_locations(file)
    except ssl.SSLError:
        _refuse("no certificate in PEM form in this file", file)


class _Encrypted(Exception):  # noqa: N818  # leaves OpenSSL's callback, and this module never
    pass


def _no_passphrase() -> NoReturn:
    raise _Encrypted


def _refuse(sentence: str, file: Path) -> NoReturn:
    raise OSError(errno.EINVAL, sentence, str(file)) from None


def _stamp(tls: Tls) -> _Stamp:
    return tuple(_of_file(file) for file in (tls.cert_file, tls.key_file, tls.client_ca_file) if file is not None)


def _of_file(file: Path) -> tuple[int, int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _name(certificate: bytes) -> str | None:
    try:
        return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
    except ValueError:  # OpenSSL verified what this library cannot read
        return None
