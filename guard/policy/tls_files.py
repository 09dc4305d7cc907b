"""The certificate files that a policy names for its backend: found, and tried, before any request needs them.

Verification is not a choice: a backend's certificate is always verified, so there is nothing here that turns it off.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path as FilePath

from guard.model.upstream_policy import UpstreamTls
from guard.policy.diagnostic import Diagnostic, quoted
from guard.policy.document import Document, Path
from guard.policy.upstream_part import TlsPart

_PLACE = ("upstream", "tls")


def tls_files(document: Document, part: TlsPart | None, *, secure: bool) -> tuple[UpstreamTls | None, list[Diagnostic]]:
    """The part with whole paths, and every file that cannot be used. `secure`: the backend's origins are https."""
    if part is None:
        return None, []
    if not secure:
        hint = "write https in the URL, or leave `tls` out"
        return None, [document.fault("P110", _PLACE, "`tls` is for https", help_text=hint, key=True)]
    folder = FilePath(document.file).parent.absolute()
    names = {"ca": part.ca, "certificate": part.certificate, "key": part.key}
    named = {field: name for field, name in names.items() if name is not None}
    tls = UpstreamTls(**{field: str(folder / name) for field, name in named.items()}, server_name=part.server_name)
    missing = [
        document.fault("P111", (*_PLACE, field), f"no file {quoted(name)}", help_text=f"paths begin at {folder}")
        for field, name in named.items()
        if not (folder / name).is_file()
    ]
    return tls, missing or [*_ca_faults(document, tls), *_certificate_faults(document, tls)]


def _ca_faults(document: Document, tls: UpstreamTls) -> Iterator[Diagnostic]:
    try:
        ssl.create_default_context(cafile=tls.ca)
    except OSError as fault:
        yield _unusable(document, (*_PLACE, "ca"), fault, "holds no certificate", "write the authorities in PEM")


def _certificate_faults(document: Document, tls: UpstreamTls) -> Iterator[Diagnostic]:
    if tls.certificate is None or tls.key is None:
        if tls.certificate is not tls.key:
            given, other = ("certificate", "key") if tls.key is None else ("key", "certificate")
            yield document.fault("P105", (*_PLACE, given), f"{quoted(given)} needs {quoted(other)}", key=True)
        return
    try:
        ssl.create_default_context().load_cert_chain(tls.certificate, tls.key, password=_nobody_knows_it)
    except OSError as fault:
        hint = "write a certificate in PEM into the one, and the private key that belongs to it into the other"
        yield _unusable(document, (*_PLACE, "certificate"), fault, "is no pair with `key`", hint)
    except ValueError:
        hint = "decrypt it, and let only guard's user read it"
        yield document.fault("P111", (*_PLACE, "key"), "the private key is encrypted", help_text=hint)


def _unusable(document: Document, path: Path, fault: OSError, message: str, help_text: str) -> Diagnostic:
    """What the system says of a file that cannot be read, or what we say of one that OpenSSL does not take."""
    if not isinstance(fault, ssl.SSLError):
        return document.fault("P111", path, f"cannot be read: {fault.strerror or fault}")
    return document.fault("P111", path, message, help_text=help_text)


def _nobody_knows_it() -> str:
    raise ValueError
