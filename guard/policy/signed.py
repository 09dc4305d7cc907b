"""Whether somebody who may has signed the policies that were read: the bytes that are used, and not files looked at
once more. Who may is in a file of public keys, read each time; one that cannot be read lets nobody sign.
"""

from collections.abc import Mapping
from pathlib import Path

from guard.policy.diagnostic import Diagnostic
from guard.signing.policy_signature import SIGNATURE_FILE, NotSigned, signers_of, verified_policies

_HELP = "sign the directory anew: `guard policies sign DIR --key FILE`"


def named(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a signature covers: the policy files, by name."""
    return {Path(path).name: content for path, content in contents.items() if Path(path).name != SIGNATURE_FILE}


def signature_fault(contents: Mapping[str, bytes], signers: Path | None) -> Diagnostic | None:
    """What is wrong with the signature of what was read; None if it is in order, or nobody must sign."""
    if signers is None:
        return None
    try:
        keys = signers_of(signers.read_bytes())
    except OSError as error:
        return _fault(str(signers), f"the signers' public keys cannot be read ({error.strerror})", "")
    except ValueError as error:
        return _fault(str(signers), f"no file of signers' public keys: {error}", "")
    found = {path: content for path, content in contents.items() if Path(path).name == SIGNATURE_FILE}
    if len(found) != 1:  # knockout: policies_are_signed
        place = str(Path(next(iter(contents), ".")).parent)
        return _fault(place, f"these policies are not signed: there is no `{SIGNATURE_FILE}`", _HELP)
    [(path, content)] = found.items()
    try:
        verified_policies(content, named(contents), keys)
    except NotSigned as why:
        return _fault(path, f"the signature of the policies does not count: {why}", _HELP)
    return None


def _fault(file: str, message: str, hint: str) -> Diagnostic:
    return Diagnostic(code="P193", message=message, file=file, help=hint)
