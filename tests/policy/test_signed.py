"""Policies count only with the signature of somebody who may sign, where the settings say so."""

from pathlib import Path

import pytest

from guard.model.keys import Secret
from guard.policy.load import Loaded, load_policies
from guard.policy.signed import named, signature_fault
from guard.signing.audit_key import AuditKey
from guard.signing.policy_signature import sign_policies
from tests.app.test_gateway import POLICY

KEY = AuditKey(Secret(b"k" * 32))


@pytest.fixture
def signers(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "exchange.yaml").write_text(POLICY)
    (tmp_path / "signers.pem").write_text(KEY.public_pem())
    return tmp_path / "signers.pem"


def read(signers: Path) -> Loaded:
    loaded = load_policies(signers.parent / "policies")
    assert isinstance(loaded, Loaded)
    return loaded


def signed(signers: Path) -> Loaded:
    signature = sign_policies(named(read(signers).contents), KEY, 1)
    (signers.parent / "policies" / "policies.sig").write_bytes(signature)
    return read(signers)


def told(loaded: Loaded, signers: Path | None) -> str:
    fault = signature_fault(loaded.contents, signers)
    return "" if fault is None else f"{fault.code} {Path(fault.file).name}: {fault.message}"


def test_what_is_signed_is_in_order_and_the_signature_is_no_part_of_the_digest(signers: Path) -> None:
    before = read(signers)
    after = signed(signers)
    assert told(after, signers) == ""
    assert after.policies.digest == before.policies.digest


@pytest.mark.parametrize("name", ["deny.txt", "_shared.yaml"])
def test_what_a_policy_names_in_other_files_is_signed_with_it(signers: Path, name: str) -> None:
    folder = signers.parent / "policies"
    (folder / "exchange.yaml").write_text(f"{POLICY}client_ip: {{deny: file:deny.txt}}\nabuse: {{use: [loud]}}\n")
    (folder / "deny.txt").write_text("192.0.2.7\n")
    (folder / "_shared.yaml").write_text("version: 1\nsignals:\n  loud: {on: auth.replayed, per: ip, points: 5}\n")
    assert told(signed(signers), signers) == ""
    (folder / name).write_bytes((folder / name).read_bytes() + b"# \n")
    assert told(read(signers), signers).startswith("P193 policies.sig: ")


def test_nobody_must_sign_where_there_are_no_signers(signers: Path) -> None:
    assert told(read(signers), None) == ""


def test_what_is_not_signed_or_has_a_file_more_is_refused(signers: Path) -> None:
    assert told(read(signers), signers) == "P193 policies: these policies are not signed: there is no `policies.sig`"
    assert told(read(signers), signers).split()[0] == "P193"
    signed(signers)
    (signers.parent / "policies" / "acme.scheme.yaml").write_text("scheme: acme\nextends: binance\n")
    assert told(read(signers), signers) == (
        "P193 policies.sig: the signature of the policies does not count: it is not for these files: one was changed, "
        "added or taken away since"
    )


def test_without_a_file_of_signers_that_can_be_used_nobody_signs(signers: Path) -> None:
    loaded = signed(signers)
    signers.write_text("nothing")
    assert told(loaded, signers).startswith("P193 signers.pem: no file of signers' public keys: ")
    signers.unlink()
    assert (
        told(loaded, signers) == "P193 signers.pem: the signers' public keys cannot be read (No such file or directory)"
    )
