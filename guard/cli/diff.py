"""`guard diff`: what of a change of policies lets more through, and what less, before anybody runs it."""

import os
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from guard.cli.admin_client import TokenFile, called
from guard.cli.starting import EXIT_POLICY_INVALID, EXIT_USAGE, settings_or_exit
from guard.policy.diagnostic import render, visible
from guard.policy.diff import Change, differences, scheme_differences, summary
from guard.policy.directions import Kind
from guard.policy.load import Invalid, Loaded, load_contents, load_policies
from guard.policy.names import LIST_ENDING
from guard.policy.schemes import rewritten_schemes
from guard.policy.shared import SHARED_FILE

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

EXIT_FAILED = 4


class Form(StrEnum):
    """Forms of output. github: annotations of a pull request."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


class FailOn(StrEnum):
    """What kind of change ends with code 4."""

    WEAKENS = "weakens"


@app.command(
    help="""\b
    guard diff old-policies new-policies
    guard diff --git main policies
    guard diff --git main policies --fail-on weakens --format github
    guard diff --live http://127.0.0.1:8090 policies --token-file alice.token

    Compare what two versions of policies do, and not how they are written: WEAKENS first, then TIGHTENS, RENAMES and
    NEUTRAL. Whatever could be either is WEAKENS.

    Exit code: 0 compared, 2 usage, or --live runs others than NEW, 3 one of them is invalid, 4 --fail-on.
    """
)
def diff(
    paths: Annotated[
        list[Path], typer.Argument(help="OLD and NEW, files or directories; with --git or --live: NEW alone.")
    ],
    *,
    git: Annotated[str | None, typer.Option("--git", help="OLD is NEW as it is in this revision.")] = None,
    live: Annotated[str | None, typer.Option("--live", help="OLD is what runs: the URL of its admin API.")] = None,
    token_file: TokenFile = None,
    form: Annotated[Form, typer.Option("--format", help="How to print what was found.")] = Form.TEXT,
    fail_on: Annotated[FailOn | None, typer.Option(help="End with code 4 if there is such a change.")] = None,
) -> None:
    """See `help` above."""
    if git is not None and live is not None:
        _usage("--git and --live exclude one another")
    alone = git is not None or live is not None
    if len(paths) != (1 if alone else 2):
        _usage("with --git or --live, name NEW alone" if alone else "name OLD and NEW")
    new = _loaded(load_policies(paths[-1]))
    if live is not None:
        old = _loaded(load_contents(_running(live, token_file)))
    else:
        old = _loaded(load_policies(paths[0]) if git is None else load_contents(_at_revision(git, paths[0])))
    changes = (
        *scheme_differences(rewritten_schemes(old.contents, new.contents)),
        *differences(old.policies, new.policies),
    )
    typer.echo(_printed(form, changes, _folder(paths[-1])))
    if fail_on is FailOn.WEAKENS and any(change.kind is Kind.WEAKENS for change in changes):
        raise typer.Exit(EXIT_FAILED)
    if live is not None and changes:  # knockout: drift_is_told
        raise typer.Exit(EXIT_USAGE)


def as_text(changes: tuple[Change, ...]) -> str:
    """A line each, and how many there are of each kind."""
    rows = [f"{change.kind:8}  {_sentence(change)}{_place(change)}" for change in changes]
    return "\n".join([*rows, f"Summary: {summary(changes)}"])


def as_github(changes: tuple[Change, ...], folder: Path) -> str:
    """Annotations of the files in this folder: a warning for each that weakens, else a notice."""
    rows = []
    for change in changes:
        level = "warning" if change.kind is Kind.WEAKENS else "notice"
        where = f" file={_escaped(str(folder / change.file), ',:')},line={change.line}" if change.file else ""
        rows.append(f"::{level}{where}::{change.kind} {_escaped(_sentence(change))}")
    return "\n".join([*rows, f"Summary: {summary(changes)}"])


def as_json(changes: tuple[Change, ...]) -> str:
    """An array of objects with the fields of Change."""
    return msgspec.json.encode(changes).decode()


def _printed(form: Form, changes: tuple[Change, ...], folder: Path) -> str:
    match form:
        case Form.GITHUB:
            return as_github(changes, folder)
        case Form.JSON:
            return as_json(changes)
        case Form.TEXT:
            return as_text(changes)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _sentence(change: Change) -> str:
    if not change.new:
        return visible(f"{change.path} is no more")
    return visible(f"{change.path} is new" if not change.old else f"{change.path} {change.old} → {change.new}")


def _place(change: Change) -> str:
    return f"   {visible(change.file)}:{change.line}" if change.file else ""


def _escaped(text: str, more: str = "") -> str:
    """What GitHub's workflow commands need escaped."""
    return "".join(f"%{ord(each):02X}" if each in "%\r\n" + more else each for each in text)


def _loaded(loaded: Loaded | Invalid) -> Loaded:
    if isinstance(loaded, Invalid):
        for diagnostic in loaded.diagnostics:
            typer.echo(render(diagnostic), err=True)
        raise typer.Exit(EXIT_POLICY_INVALID)
    return loaded


def _running(url: str, token_file: Path | None) -> dict[str, bytes]:
    """What a gateway runs, by path."""
    token = token_file or settings_or_exit().admin_token
    files = called(url, "GET", "/admin/v1/policy/files", token).get("files")
    if not isinstance(files, dict):
        _usage(f"{visible(url)} tells no policy files")
    return {str(path): str(text).encode() for path, text in files.items()}


def _at_revision(revision: str, path: Path) -> dict[str, bytes]:
    """The policy files of a path as they were. `ls-tree` lists them and `show` reads them: nothing is checked out."""
    alone = not path.is_dir()
    folder = _folder(path)
    names = _git(folder, "ls-tree", "--name-only", "-z", "--end-of-options", revision).split(b"\0")
    listed = [name for name in map(os.fsdecode, names) if name.endswith((".yaml", LIST_ENDING)) and name[0] != "."]
    if alone:
        listed = [path.name, *(name for name in listed if name.endswith((LIST_ENDING, SHARED_FILE)))]
    return {str(folder / name): _git(folder, "show", "--end-of-options", f"{revision}:./{name}") for name in listed}


def _git(folder: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(("git", "-C", str(folder), *words), capture_output=True, check=False)  # noqa: S603,S607
    except OSError as error:
        _usage(f"git cannot be run: {error.strerror}")
    if done.returncode != 0:
        _usage(f"git: {visible(done.stderr.decode(errors='replace').strip())}")
    return done.stdout


def _usage(why: str) -> NoReturn:
    typer.echo(f"error: {why}", err=True)
    raise typer.Exit(EXIT_USAGE)
