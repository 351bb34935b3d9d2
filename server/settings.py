"""Settings of the service, from FLOPWISE_* variables."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from knowledge.errors import InputError


def default_data_dir() -> Path:
    """Where a laptop keeps its store."""
    return Path.home() / ".local" / "share" / "flopwise"


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Settings(BaseSettings):
    """Every setting with its default; FLOPWISE_PORT=9000 sets `port`, and so on."""

    model_config = SettingsConfigDict(env_prefix="FLOPWISE_", env_ignore_empty=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=8484, ge=0, le=65535)
    allowed_hosts: list[str] = Field(default=[], description="further names this server is called by; on loopback others are refused")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty is SQLite in the data folder")
    data_dir: Path = Field(default_factory=default_data_dir)
    require_keys: bool | None = Field(default=None, description="whether requests need a key; by default only beyond loopback")
    rate_per_minute: int = Field(default=600, ge=1, description="requests a key may make a minute; without keys there is no limit")
    max_body_bytes: int = Field(default=2_000_000, ge=1024)
    max_upload_bytes: int = Field(default=50_000_000, ge=1024)
    plan_threads: int = Field(default=2, ge=1, description="questions answered at the same time")
    plan_cache: int = Field(default=512, ge=0, description="plans kept in memory")
    jobs_here: bool | None = Field(default=None, description="whether `serve` also runs jobs; by default only on SQLite")
    job_concurrency: int = Field(default=2, ge=1, description="jobs a process runs at the same time")
    job_attempts: int = Field(default=50, ge=1, description="how often a job is started again after a crash before it counts as failed")
    takeover_seconds: float = Field(default=15.0, gt=0, description="a worker silent for this long has its jobs taken over")
    parallel_backend: Literal["loky", "dask", "ray", "threading", "sequential"] = Field(
        default="loky", description="joblib backend of fits"
    )
    parallel_address: str = Field(default="", description="address of a dask scheduler or ray head; empty starts one on this machine")
    model: str | None = Field(default=None, description="provider:name of a language model; none is needed")
    base_url: str | None = Field(default=None, description="base URL of an OpenAI-compatible server")
    api_key: SecretStr | None = Field(default=None, description="key of the language model's server")
    model_timeout_seconds: float = Field(default=20.0, gt=0)
    cors_origins: list[str] = []
    shutdown_seconds: int = Field(default=20, ge=1, description="how long requests may take to end when the server stops")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(lambda text: str(text).upper())] = "INFO"
    log_format: Literal["json", "console"] = "json"
    otel: bool = Field(default=False, description="send traces by OpenTelemetry (extra `otel`), configured by the OTEL_* variables")

    @classmethod
    def load(cls, **given: object) -> Settings:
        """Settings from the environment and `given` (None values are left out); raises InputError naming the variable."""
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType]
        except SettingsError as error:
            field = str(error).split('"')[1]
            raise InputError(f"FLOPWISE_{field.upper()}", "is not a JSON list", 'such as ["one", "two"]') from None
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"FLOPWISE_{'_'.join(map(str, first['loc'])).upper()}", first["msg"]) from None

    @property
    def on_loopback(self) -> bool:
        """Whether the server is reachable from this machine alone."""
        return is_loopback(self.host)

    @property
    def keys_required(self) -> bool:
        """Whether a request needs a key."""
        return not self.on_loopback if self.require_keys is None else self.require_keys

    @property
    def store_url(self) -> str:
        """The database URL, the default one's folder made."""
        if self.database_url:
            return self.database_url
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError("FLOPWISE_DATA_DIR", f"cannot make the folder {self.data_dir}", error.strerror or "") from None
        return f"sqlite:///{self.data_dir / 'flopwise.sqlite'}"

    @property
    def runs_jobs(self) -> bool:
        """Whether this server runs jobs as well as taking them."""
        return self.store_url.startswith("sqlite") if self.jobs_here is None else self.jobs_here
