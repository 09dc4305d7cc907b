"""Settings of a process: from `GUARD_*` environment variables, or the flags of the same names. A value, made once and
handed down; only `app` and `cli` read it. What the security team decides is policy and lives in YAML, not here.
"""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_LISTEN = r"^(unix:/.+|(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5})$"
_STATE_URL = r"^(memory://|rediss?://.+|rediss?\+(sentinel|cluster)://.+)$"
_MEMORY = "memory://"
_LISTEN_OR_NONE = rf"^none$|{_LISTEN}"
_NONE = "none"
_UNIX = "unix"
_PORT_MAX = 65535


class Settings(BaseSettings):
    """Everything that differs between two deployments of one policy."""

    model_config = SettingsConfigDict(env_prefix="GUARD_", frozen=True, extra="ignore")

    home: Path = Path("~/.local/share/guard")
    policies: Path = Path("policies")
    policy_signers_file: Path | None = None
    policies_watch_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 2000
    listen: Annotated[str, Field(pattern=_LISTEN)] = "127.0.0.1:8080"
    server: Literal["guard", "uvicorn"] = "guard"
    health_listen: Annotated[str | None, Field(pattern=_LISTEN)] = None
    admin_listen: Annotated[str, Field(pattern=_LISTEN_OR_NONE)] = "127.0.0.1:8090"
    admin_hosts: str | None = None
    admin_token_file: Path | None = None
    admin_calls_max: Annotated[int, Field(gt=0)] = 600
    admin_failures_max: Annotated[int, Field(gt=0)] = 10
    state_url: Annotated[str, Field(pattern=_STATE_URL)] = _MEMORY
    store_ms_max: Annotated[int, Field(ge=1, le=1000)] = 20
    database_url: str = ""
    sealing_key_file: Path | None = None
    assertion_key_file: Path | None = None
    audit_key_file: Path | None = None
    audit_checkpoints: Path | None = None
    keys_on_stale: Annotated[str, Field(pattern=r"^(refuse|serve [1-9][0-9]{0,3}s)$")] = "refuse"
    keys_idle_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    clock_ms_max: Annotated[int, Field(gt=0)] = 1000
    workers: Annotated[int, Field(ge=1)] = 1
    decision_log: str = "-"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    body_bytes_unverified_max: Annotated[int, Field(gt=0)] = 64 * 1024 * 1024
    body_bytes_unverified_per_address_max: Annotated[int, Field(gt=0)] = 8 * 1024 * 1024
    body_ms_max: Annotated[int, Field(gt=0)] = 10_000
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    tls_client_ca_file: Path | None = None
    tls_client_certs: Literal["optional", "required"] = "optional"
    proxy_from: str | None = None
    in_flight_max: Annotated[int, Field(ge=10)] = 4096
    connections_max: Annotated[int, Field(gt=0)] = 10_000
    connections_per_address_max: Annotated[int, Field(ge=0)] = 0
    head_bytes_max: Annotated[int, Field(ge=1024)] = 64 * 1024
    fields_max: Annotated[int, Field(gt=0)] = 100
    handshake_ms_max: Annotated[int, Field(gt=0)] = 10_000
    head_ms_max: Annotated[int, Field(gt=0)] = 10_000
    body_progress_ms_max: Annotated[int, Field(gt=0)] = 10_000
    idle_ms_max: Annotated[int, Field(gt=0)] = 75_000
    write_stall_ms_max: Annotated[int, Field(gt=0)] = 20_000
    drain_ms_max: Annotated[int, Field(ge=0)] = 10_000

    @field_validator("home")
    @classmethod
    def _expand(cls, home: Path) -> Path:
        return home.expanduser()

    @field_validator("listen", "health_listen", "admin_listen")
    @classmethod
    def _a_port_that_exists(cls, listen: str | None) -> str | None:
        if (
            listen not in (None, _NONE)
            and not listen.startswith("unix:")
            and int(listen.rpartition(":")[2]) > _PORT_MAX
        ):
            raise ValueError(f"a port is at most {_PORT_MAX}")
        return listen

    @field_validator("proxy_from")
    @classmethod
    def _networks_or_unix(cls, proxy_from: str | None) -> str | None:
        for network in _listed(proxy_from):
            if network != _UNIX:
                ip_network(network)
        return proxy_from

    @model_validator(mode="after")
    def _one_worker_on_memory(self) -> "Settings":
        if self.workers > 1 and not self.shares_state:
            raise ValueError(
                "several workers need shared state, and memory:// belongs to one process: set GUARD_STATE_URL to a "
                "Redis, as in redis://127.0.0.1:6379, or GUARD_WORKERS=1"
            )
        return self

    @model_validator(mode="after")
    def _what_belongs_together_is_set_together(self) -> "Settings":
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("GUARD_TLS_CERT_FILE and GUARD_TLS_KEY_FILE are set together or not at all")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("GUARD_TLS_CLIENT_CA_FILE needs GUARD_TLS_CERT_FILE and GUARD_TLS_KEY_FILE")
        if self.tls_client_certs == "required" and self.tls_client_ca_file is None:
            raise ValueError("GUARD_TLS_CLIENT_CERTS=required needs GUARD_TLS_CLIENT_CA_FILE")
        plain = self.tls_cert_file is None and not self.proxy_from and not self.listen.startswith("unix:")
        if self.server == "uvicorn" and not (plain and self.workers == 1):
            raise ValueError(
                "GUARD_SERVER=uvicorn is for comparison: no TLS, no PROXY protocol, no Unix socket and one worker"
            )
        return self

    @property
    def shares_state(self) -> bool:
        """Whether nonces, limits and scores are kept where other processes find them."""
        return self.state_url != _MEMORY

    @property
    def proxies(self) -> tuple[str, ...]:
        """The networks of GUARD_PROXY_FROM, and `unix` if it is among them."""
        return _listed(self.proxy_from)

    @property
    def database(self) -> str:
        """The URL of the key database: GUARD_DATABASE_URL, or a file in the home directory."""
        return self.database_url or f"sqlite:///{self.home / 'guard.db'}"

    @property
    def keys_served_ms(self) -> int:
        """How long known keys go on while the database does not answer; 0 if they do not."""
        return 0 if self.keys_on_stale == "refuse" else 1000 * int(self.keys_on_stale[6:-1])

    @property
    def sealing_key(self) -> Path:
        """The file of the key-encryption key: GUARD_SEALING_KEY_FILE, or a file in the home directory."""
        return self.sealing_key_file or self.home / "sealing.key"

    @property
    def admin_listens(self) -> str | None:
        """Where the admin API is served: GUARD_ADMIN_LISTEN, or nowhere."""
        return None if self.admin_listen == _NONE else self.admin_listen

    @property
    def admin_names(self) -> tuple[str, ...]:
        """The names of GUARD_ADMIN_HOSTS, in lower case."""
        return tuple(name.lower() for name in _listed(self.admin_hosts))

    @property
    def admin_token(self) -> Path:
        """The file of the first administrator's token: GUARD_ADMIN_TOKEN_FILE, or a file in the home directory."""
        return self.admin_token_file or self.home / "admin.token"

    @property
    def assertion_key(self) -> Path:
        """The file of the key that signs assertions: GUARD_ASSERTION_KEY_FILE, or a file in the home directory."""
        return self.assertion_key_file or self.home / "assertion.key"

    @property
    def audit_key(self) -> Path:
        """The file of the key that signs audit checkpoints: GUARD_AUDIT_KEY_FILE, or a file in the home directory."""
        return self.audit_key_file or self.home / "audit.key"


def faults(invalid: ValidationError) -> list[str]:
    """What is wrong with settings, a line each: the variable and a sentence; never the value."""
    return [
        f"{'_'.join(('GUARD', *map(str, error['loc']))).upper()}: {error['msg'].removeprefix('Value error, ')}"
        for error in invalid.errors()
    ]


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(item.strip() for item in (text or "").split(",") if item.strip())
