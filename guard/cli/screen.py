"""What the commands put on a screen: colour only where somebody looks, and nothing that a terminal would obey."""

import os
import sys

import typer


def paint(text: str, colour: str) -> str:
    """Coloured if standard output is a terminal and NO_COLOR (no-color.org) is not set."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return typer.style(text, fg=colour)


def say(*lines: str) -> None:
    """To standard output, indented by two, as all screens of guard are."""
    for line in lines:
        typer.echo(f"  {line}" if line else "")


def complain(sentence: str) -> None:
    """To standard error."""
    typer.echo(f"guard: {printable(sentence.encode())}", err=True)


def printable(content: bytes) -> str:
    """Text as it may be shown: what is no UTF-8 and what steers a terminal is escaped."""
    text = content.decode(errors="backslashreplace")
    return "".join(each if each.isprintable() or each in "\n\t" else f"\\x{ord(each):02x}" for each in text)


def one_line(text: str) -> str:
    """Text of somebody else within a line of ours: it cannot begin another one, nor steer a terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
