"""Settings of a process: from `GUARD_*` environment variables, or the flags of the same names. A value, made once and
handed down; only `app` and `cli` read it. What the security team decides is policy and lives in YAML, not here.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_LISTEN = r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$"


_PORT_MAX = 65535


class Settings(BaseSettings):
    """Everything that differs between two deployments of one policy."""

    model_config = SettingsConfigDict(env_prefix="GUARD_", frozen=True, extra="ignore")

    home: Path = Path("~/.local/share/guard")
    policies: Path = Path("policies")
    listen: Annotated[str, Field(pattern=_LISTEN)] = "127.0.0.1:8080"
    server: Literal["guard", "uvicorn"] = "guard"
    health_listen: Annotated[str | None, Field(pattern=_LISTEN)] = None
    state_url: str = "memory://"
    database_url: str = ""
    sealing_key_file: Path | None = None
    workers: Annotated[int, Field(ge=1)] = 1
    decision_log: str = "-"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    body_bytes_unverified_max: Annotated[int, Field(gt=0)] = 64 * 1024 * 1024
    body_bytes_unverified_per_address_max: Annotated[int, Field(gt=0)] = 8 * 1024 * 1024
    body_ms_max: Annotated[int, Field(gt=0)] = 10_000

    @field_validator("home")
    @classmethod
    def _expand(cls, home: Path) -> Path:
        return home.expanduser()

    @field_validator("listen", "health_listen")
    @classmethod
    def _a_port_that_exists(cls, listen: str | None) -> str | None:
        if listen is not None and host_and_port(listen)[1] > _PORT_MAX:
            raise ValueError(f"a port is at most {_PORT_MAX}")
        return listen

    @field_validator("state_url")
    @classmethod
    def _only_memory_yet(cls, url: str) -> str:
        if url != "memory://":
            raise ValueError("only memory:// is known yet; shared state on Redis comes with a later version")
        return url

    @model_validator(mode="after")
    def _one_worker_on_memory(self) -> "Settings":
        if self.workers > 1:
            raise ValueError(
                "several workers need shared state, and memory:// belongs to one process: set GUARD_WORKERS=1 "
                "(shared state on Redis comes with a later version)"
            )
        return self

    @property
    def database(self) -> str:
        """The URL of the key database: GUARD_DATABASE_URL, or a file in the home directory."""
        return self.database_url or f"sqlite:///{self.home / 'guard.db'}"

    @property
    def sealing_key(self) -> Path:
        """The file of the key-encryption key: GUARD_SEALING_KEY_FILE, or a file in the home directory."""
        return self.sealing_key_file or self.home / "sealing.key"


def host_and_port(listen: str) -> tuple[str, int]:
    """`127.0.0.1:8080` or `[::1]:8080`, taken apart."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)
