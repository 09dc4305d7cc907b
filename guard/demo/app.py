"""The demo exchange as an ASGI application: both faces over one book.

It authenticates nobody. `Guard-Account` is believed because only the gateway reaches this listener.
"""

import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guard.demo.binance import BINANCE
from guard.demo.exchange import Exchange, Fault, Refusal
from guard.demo.face import Answer, Call, Endpoint, Face
from guard.demo.native import NATIVE
from guard.demo.recording import Executed, Recording
from guard.model.names import UnixMs

FACES: tuple[Face, ...] = (NATIVE, BINANCE)


def _wall_clock() -> UnixMs:
    return UnixMs(time.time_ns() // 1_000_000)


def demo_exchange(
    *, clock: Callable[[], UnixMs] = _wall_clock, executed_max: int = 10_000, accounts_max: int = 100
) -> Starlette:
    """A fresh exchange. `app.state.executed` holds the last `executed_max` requests that arrived, oldest first."""
    exchange = Exchange(accounts_max=accounts_max)
    executed: deque[Executed] = deque(maxlen=executed_max)
    app = Starlette(
        routes=[
            Route(endpoint.template, _serve(exchange, face, endpoint, clock), methods=[endpoint.method])
            for face in FACES
            for endpoint in face.endpoints
        ],
        middleware=[Middleware(Recording, executed=executed)],
        exception_handlers={HTTPException: _refuse_route},
    )
    app.router.redirect_slashes = False
    app.state.executed = executed
    return app


def _serve(
    exchange: Exchange, face: Face, endpoint: Endpoint, clock: Callable[[], UnixMs]
) -> Callable[[Request], object]:
    async def serve(request: Request) -> Response:
        names = request.headers.getlist("guard-account")
        if endpoint.private and (len(names) != 1 or not names[0]):
            return _rendered(face.refuse(Refusal(Fault.NO_IDENTITY, "the gateway names the account, once")))
        call = Call(
            account=names[0] if names else "",
            path=request.path_params,
            query=request.scope["query_string"].decode("latin-1"),
            body=await request.body(),
            now=clock(),
        )
        content = endpoint.act(exchange, call)
        return _rendered(face.refuse(content) if isinstance(content, Refusal) else Answer(200, content))

    return serve


async def _refuse_route(request: Request, fault: Exception) -> Response:
    """No such path and no such method, in the dialect of its prefix."""
    status = fault.status_code if isinstance(fault, HTTPException) else 404
    face = next((face for face in FACES if request.scope["path"].startswith(face.prefix + "/")), NATIVE)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return _rendered(face.refuse(Refusal(Fault.METHOD, "this path has other methods")))
    return _rendered(face.refuse(Refusal(Fault.NOT_FOUND, "no such path")))


def _rendered(answer: Answer) -> Response:
    return JSONResponse(answer.content, status_code=answer.status)
