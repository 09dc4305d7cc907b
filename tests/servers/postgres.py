"""A PostgreSQL server for tests: one user and one database, both called `guard`, whom 127.0.0.1 is trusted to be."""

import atexit
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers.process import START_S, Server

_VERSIONS = Path("/usr/lib/postgresql")


class PostgresServer(Server):
    """PostgreSQL refuses to run as root, so there it runs as the user `postgres` of Debian's package."""

    def __init__(self, **settings: str) -> None:
        super().__init__("postgres")
        self._settings = settings
        self._as_user = _hand_over(self.folder)

    @property
    def url(self) -> str:
        return f"postgresql://guard@127.0.0.1:{self.port}/guard"

    def sql(self, *statements: str) -> str:
        """See `sql_at`."""
        return sql_at(self.url, *statements)

    def command(self) -> tuple[str, ...]:
        if not (self.folder / "data").exists():
            self._initialise()
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **self._settings}
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        return (*self._as_user, _binary("postgres"), "-D", "data", "-p", str(self.port), *flags)

    def answers(self) -> bool:
        ready = (_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port))
        return subprocess.run(ready, check=False).returncode == 0  # noqa: S603  # a program that the tests installed

    def empty(self) -> None:
        shutil.rmtree(self.folder / "data")

    def _initialise(self) -> None:
        _run(*self._as_user, "/bin/cp", "-r", str(_initialised(self._as_user)), "data", folder=self.folder)


@cache
def _initialised(as_user: tuple[str, ...]) -> Path:
    """A data folder with the database in it, made once a process, since that takes seconds and a copy does not."""
    folder = Path(tempfile.mkdtemp(prefix="guard-initdb-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _hand_over(folder)
    made = ("-U", "guard", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
    _run(*as_user, _binary("initdb"), "-D", "data", *made, folder=folder)
    # A server of a single user makes the other one before anybody connects.
    single = (_binary("postgres"), "--single", "-D", "data", "postgres")
    _run(*as_user, *single, folder=folder, stdin=b"create database guard\n")
    return folder / "data"


def _hand_over(folder: Path) -> tuple[str, ...]:
    """Give a folder to the user that PostgreSQL runs as; what a command must begin with to run as that user."""
    if os.geteuid() != 0:
        return ()
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ("/usr/bin/setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")


def sql_at(url: str, *statements: str) -> str:
    """What psql prints: a line for each row, its columns parted by `|`. The statements are sent one by one."""
    commands = [word for statement in statements for word in ("-c", statement)]
    return _run(_binary("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", *commands, url)


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """An empty database of its own on a running server, for the time of the block."""
    name = f"guard_{secrets.token_hex(6)}"
    sql_at(url, f"create database {name}")
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        sql_at(url, f"drop database {name} with (force)")


def _run(*command: str, folder: Path | None = None, stdin: bytes = b"") -> str:
    done = subprocess.run(  # noqa: S603  # a program that the tests installed
        command, input=stdin, capture_output=True, cwd=folder, timeout=START_S, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def _binary(name: str) -> str:
    newest = max(_VERSIONS.glob("*/bin"), key=lambda path: int(path.parent.name))
    return str(newest / name)
