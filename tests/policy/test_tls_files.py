import os
from pathlib import Path

import pytest

from guard.model.upstream_policy import UpstreamTls
from guard.policy.load import Invalid, Loaded, load_policies
from tests.policy_text import ROUTES
from tests.upstream.certificates import Certificates

OURS = "certificate: tls/client.pem, key: tls/client.key"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    (tmp_path / "tls").mkdir()
    return Certificates(tmp_path / "tls")


def read(folder: Path, tls: str, url: str = "https://h") -> Loaded | Invalid:
    text = f"version: 1\nservice: x\nupstream:\n  url: {url}\n  tls: {{{tls}}}\n{ROUTES}"
    (folder / "p.yaml").write_text(text)
    return load_policies(folder, environment={})


def test_paths_begin_at_the_policy_s_folder(tmp_path: Path, certificates: Certificates) -> None:
    loaded = read(tmp_path, f"ca: tls/ca.pem, {OURS}, server_name: Backend.test")
    assert isinstance(loaded, Loaded), loaded
    assert loaded.policies.services[0].upstream.tls == UpstreamTls(
        ca=certificates.file("ca.pem"),
        certificate=certificates.file("client.pem"),
        key=certificates.file("client.key"),
        server_name="backend.test",
    )


def test_whole_paths_stay(tmp_path: Path, certificates: Certificates) -> None:
    loaded = read(tmp_path, f"ca: {certificates.file('ca.pem')}")
    assert isinstance(loaded, Loaded)
    assert loaded.policies.services[0].upstream.tls == UpstreamTls(ca=certificates.file("ca.pem"))


@pytest.mark.parametrize(
    ("tls", "code", "message"),
    [
        ("ca: tls/none.pem", "P111", "no file `tls/none.pem`"),
        ("ca: tls", "P111", "no file `tls`"),
        ("ca: tls/empty.pem", "P111", "holds no certificate"),
        ("ca: tls/client.key", "P111", "holds no certificate"),
        ("certificate: tls/client.pem, key: tls/server.key", "P111", "is no pair with `key`"),
        ("certificate: tls/client.key, key: tls/client.key", "P111", "is no pair with `key`"),
        ("certificate: tls/client.pem, key: tls/sealed.key", "P111", "the private key is encrypted"),
        ("certificate: tls/client.pem", "P105", "`certificate` needs `key`"),
        ("key: tls/client.key", "P105", "`key` needs `certificate`"),
        ("ca: ''", "P107", "must have at least 1 characters"),
    ],
)
def test_files_that_would_fail_the_first_request_are_told_with_place_and_remedy(
    tmp_path: Path, certificates: Certificates, tls: str, code: str, message: str
) -> None:
    (tmp_path / "tls" / "empty.pem").touch()
    (tmp_path / "tls" / "sealed.key").write_bytes((tmp_path / "tls" / "client.key").read_bytes())
    certificates.encrypt("sealed.key")
    invalid = read(tmp_path, tls)
    assert isinstance(invalid, Invalid)
    (fault,) = invalid.diagnostics
    assert (fault.code, fault.line, fault.message) == (code, 5, message)
    assert fault.help or code != "P111"


def test_file_that_may_not_be_read_is_told_with_what_the_system_says(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("guard.policy.tls_files.ssl.create_default_context", refused)
    invalid = read(tmp_path, "ca: tls/ca.pem")
    assert isinstance(invalid, Invalid)
    assert [fault.message for fault in invalid.diagnostics] == ["cannot be read: Permission denied"]
    assert certificates.file("ca.pem") not in repr(invalid)


def test_a_pipe_is_not_waited_for(tmp_path: Path, certificates: Certificates) -> None:
    os.mkfifo(certificates.file("pipe.pem"))
    assert isinstance(read(tmp_path, "ca: tls/pipe.pem"), Invalid)


def test_a_backend_without_tls_has_no_use_for_certificates(tmp_path: Path, certificates: Certificates) -> None:
    invalid = read(tmp_path, f"ca: {certificates.file('ca.pem')}", "http://h")
    assert isinstance(invalid, Invalid)
    assert [(fault.code, fault.line, fault.message) for fault in invalid.diagnostics] == [
        ("P110", 5, "`tls` is for https")
    ]
