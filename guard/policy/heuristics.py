"""The signals that guard ships as data: `policies/abuse/NAME.yaml`, pulled into a policy by `abuse: {use: [NAME]}`.

They are read by the same strict loader as policies. A fault in one of them is a bug.
"""

from functools import cache
from pathlib import Path

from guard.policy.abuse_schema import SignalPart
from guard.policy.document import Document
from guard.policy.yaml_source import read_document


@cache
def shipped_signals() -> dict[str, SignalPart]:
    """Each of them, by name."""
    return {file.stem: _read(file) for file in sorted(_folder().glob("*.yaml"))}


def _folder() -> Path:
    """Beside the sources in a checkout, inside the package once installed."""
    package = Path(__file__).parent.parent
    installed = package / "shipped" / "policies" / "abuse"
    return installed if installed.exists() else package.parent / "policies" / "abuse"


def _read(file: Path) -> SignalPart:
    document = read_document(file.read_bytes(), file.name)
    if not isinstance(document, Document):
        raise ValueError(f"{file.name}: {document}")  # noqa: TRY004  # it is the value of the file that is wrong
    return SignalPart.model_validate(document.content)
