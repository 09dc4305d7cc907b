"""What the administrator's commands have in common: one question to the key database, and its answer or refusal."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, TypeVar

import typer

from guard.cli.screen import complain
from guard.cli.starting import settings_or_exit
from guard.service.key_orders import KeyringError
from guard.settings import Settings
from guard.state.faults import StateError

EXIT_REFUSED = 1

Line = TypeVar("Line")
Answer = TypeVar("Answer")

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def answer_of(
    open_line: Callable[[Settings], AbstractAsyncContextManager[Line]], ask: Callable[[Line], Awaitable[Answer]]
) -> Answer:
    """What a line of the service room answers. A refusal ends the program with its sentence and code 1."""

    async def asked() -> Answer:
        async with open_line(settings_or_exit()) as line:
            return await ask(line)

    try:
        return asyncio.run(asked())
    except (KeyringError, StateError) as error:
        complain(str(error))
        raise typer.Exit(EXIT_REFUSED) from None
