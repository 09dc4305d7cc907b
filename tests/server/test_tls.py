"""Certificates from files: what cannot be used is refused with a sentence, and while serving the old pair stays."""

import shutil
import ssl
from pathlib import Path

import pytest
import structlog

from guard.server.tls import Certificates, Tls, secured
from tests.server.certificates import Authority


def test_only_tls_1_2_and_1_3_without_renegotiation_and_only_http_1_1(tmp_path: Path) -> None:
    context = secured(Authority(tmp_path).tls()).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(("certs", "mode"), [("optional", ssl.CERT_OPTIONAL), ("required", ssl.CERT_REQUIRED)])
def test_client_certificates_are_verified_on_every_connection(tmp_path: Path, certs: str, mode: ssl.VerifyMode) -> None:
    authority = Authority(tmp_path)
    context = secured(authority.tls(client_ca_file=authority.file, client_certs=certs)).context
    assert context.verify_mode is mode
    assert context.num_tickets == 0
    assert context.options & ssl.OP_NO_TICKET


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    tls = Authority(tmp_path).tls(client_ca_file=tmp_path / "ca.pem")
    for file in (tls.client_ca_file, tls.key_file, tls.cert_file):
        assert file is not None
        file.unlink(missing_ok=True)
        with pytest.raises(FileNotFoundError) as refused:
            secured(tls)
        assert refused.value.filename == file or refused.value.filename == str(file)


def _refused(tls: Tls) -> tuple[str, str]:
    with pytest.raises(OSError, match=r".") as refused:
        secured(tls)
    return refused.value.strerror or "", refused.value.filename


def test_a_pair_that_is_none_is_refused_with_the_file_and_the_remedy(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert_file, key_file = authority.pair("one")
    _, other_key = authority.pair("two")
    _, encrypted = authority.pair("three", passphrase=b"secret")
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"rubbish")
    says, file = _refused(Tls(cert_file=cert_file, key_file=other_key))
    assert (f"not the one of the certificate in {cert_file}" in says, file) == (True, str(other_key))
    says, file = _refused(Tls(cert_file=cert_file, key_file=encrypted))
    assert ("openssl pkey" in says, file) == (True, str(encrypted))
    assert _refused(Tls(cert_file=rubbish, key_file=key_file)) == (
        "no certificate in PEM form in this file",
        str(rubbish),
    )
    says, file = _refused(Tls(cert_file=cert_file, key_file=rubbish))
    assert ("cannot be used" in says, file) == (True, str(rubbish))
    says, file = _refused(Tls(cert_file=cert_file, key_file=key_file, client_ca_file=rubbish))
    assert ("no certificate" in says, file) == (True, str(rubbish))


def test_a_name_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    class Handshake:
        def getpeercert(self, *, binary_form: bool) -> bytes:
            return b"\x30" if binary_form else b""

        def cipher(self) -> None:
            return None

        def version(self) -> None:
            return None

    told = secured(Authority(tmp_path).tls()).told(Handshake())  # type: ignore[arg-type]
    assert told.certificate == b"\x30"
    assert told.extension["client_cert_name"] is None
    assert (told.extension["tls_version"], told.extension["cipher_suite"]) == (None, None)


def test_a_new_pair_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = authority.tls()
    certificates = Certificates(tls)
    first = certificates.current
    certificates.refresh()
    assert certificates.current is first
    tls.key_file.write_bytes(b"half a ke")
    with structlog.testing.capture_logs() as logs:
        certificates.refresh()
        certificates.refresh()
    assert certificates.current is first
    assert [(line["event"], line["log_level"], line["file"]) for line in logs] == [
        ("listener.tls_reload_failed", "error", str(tls.key_file))
    ]
    tls.key_file.unlink()
    certificates.refresh()
    assert certificates.current is first
    authority.tls()
    certificates.refresh()
    assert certificates.current is not first
    assert certificates.current.server_cert != first.server_cert


def test_a_link_that_is_switched_is_a_change(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        for file in authority.pair("server"):
            shutil.copy(file, tmp_path / version)
    current = tmp_path / "current"
    current.symlink_to(tmp_path / "1")
    certificates = Certificates(Tls(cert_file=current / "server.crt", key_file=current / "server.key"))
    first = certificates.current.server_cert
    (tmp_path / "next").symlink_to(tmp_path / "2")
    (tmp_path / "next").replace(current)
    certificates.refresh()
    assert certificates.current.server_cert == (tmp_path / "2" / "server.crt").read_text()
    assert certificates.current.server_cert != first
