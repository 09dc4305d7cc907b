"""Bytes become text, before any YAML is looked at: size, encoding, and characters that have no business in a policy.

Line ends are LF or CRLF and nothing else, so that every program counts the same lines (YAML 1.1 also breaks lines at
NEL, U+2028 and U+2029; Trojan Source, CVE-2021-42574, shows what the other invisible ones can do).
"""

import codecs

from guard.policy.diagnostic import Diagnostic

FILE_BYTES_MAX = 1 << 20
_SHOWN_MAX = 20


def text_of(content: bytes, file: str) -> str | tuple[Diagnostic, ...]:
    """The file's text with LF as its only line end, or what is wrong with it."""
    if len(content) > FILE_BYTES_MAX:
        return (Diagnostic(code="Y014", message="the file is larger than 1 MiB", file=file),)
    if content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
        return (_encoding(file, 1, 1, "the file starts with a byte order mark"),)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as fault:
        before = content[: fault.start].decode("utf-8")
        line = before.count("\n") + 1
        return (_encoding(file, line, len(before) - before.rfind("\n"), "these bytes are not UTF-8"),)
    text = text.replace("\r\n", "\n")
    return _forbidden(text.split("\n"), file) or text


def _encoding(file: str, line: int, column: int, message: str) -> Diagnostic:
    return Diagnostic(
        code="Y002",
        message=message,
        file=file,
        line=line,
        column=column,
        help="save the file as UTF-8 without a byte order mark",
    )


def _forbidden(lines: list[str], file: str) -> tuple[Diagnostic, ...]:
    faults: list[Diagnostic] = []
    for number, line in enumerate(lines, 1):
        if line.isprintable() or len(faults) >= _SHOWN_MAX:
            continue
        column, character = next((at, one) for at, one in enumerate(line, 1) if not one.isprintable())
        tab = character == "\t"
        faults.append(
            Diagnostic(
                code="Y005" if tab else "Y003",
                message="a tab" if tab else f"the character U+{ord(character):04X} is not allowed",
                file=file,
                line=number,
                column=column,
                source_line=line,
                help="indent with spaces" if tab else "it cannot be seen, or is read in two ways: leave it out",
            )
        )
    return tuple(faults)
