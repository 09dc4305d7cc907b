"""`guard explain-code`: what a code of `guard check` means, why it is wrong, and an example each way."""

from typing import Annotated

import typer

from guard.cli.screen import complain
from guard.cli.starting import EXIT_USAGE
from guard.policy.codes import MEANINGS
from guard.policy.diagnostic import did_you_mean
from guard.policy.explanations import as_markdown, as_text

_HEAD = """# Codes of guard check

What each means, why it is wrong, and how it is put right; on a terminal: `guard explain-code P303`. This page is made
from the same texts (`guard explain-code --markdown`). What an example leaves out is as in a policy that is in order."""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(
    help="""\b
    guard explain-code
    guard explain-code P303
    guard explain-code --markdown > docs/codes.md

    What a code of `guard check` means, why it is wrong, and an example each way; without a code, all of them.

    Exit code: 0 told, 2 no such code.
    """
)
def explain_code(
    code: Annotated[str, typer.Argument(help="Such as P303; all, if not given.")] = "",
    *,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a document.")] = False,
) -> None:
    """See `help` above."""
    wanted = code.upper()
    if wanted and wanted not in MEANINGS:
        hint = did_you_mean(wanted, MEANINGS)
        complain(f"there is no code {code}" + (f": {hint}" if hint else ""))
        raise typer.Exit(EXIT_USAGE)
    if markdown:
        sections = [as_markdown(one) for one in ([wanted] if wanted else MEANINGS)]
        typer.echo("\n\n".join(sections if wanted else [_HEAD, *sections]))
    elif wanted:
        typer.echo(as_text(wanted))
    else:
        typer.echo("\n".join(f"{one}  {meaning}" for one, meaning in MEANINGS.items()))
