"""Settings of the service, from FLOPWISE_* variables."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_data_dir() -> Path:
    """Where a laptop keeps its store."""
    return Path.home() / ".local" / "share" / "flopwise"


class Settings(BaseSettings):
    """Every setting with its default; FLOPWISE_PORT=9000 sets `port`, and so on."""

    model_config = SettingsConfigDict(env_prefix="FLOPWISE_", extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(8484, ge=0, le=65535)
    database_url: str = Field("", description="SQLAlchemy URL; empty is SQLite in the data folder")
    data_dir: Path = Field(default_factory=default_data_dir)
    require_keys: bool | None = Field(None, description="whether requests need a key; by default only beyond loopback")
    rate_per_minute: int = Field(600, ge=1, description="requests a key (or an address without one) may make a minute")
    max_body_bytes: int = Field(2_000_000, ge=1024)
    max_upload_bytes: int = Field(50_000_000, ge=1024)
    model: str | None = Field(None, description="provider:name of a language model; none is needed")
    base_url: str | None = Field(None, description="base URL of an OpenAI-compatible server")
    api_key: SecretStr | None = Field(None, description="key of the language model's server")
    model_timeout_seconds: float = Field(20.0, gt=0)
    parallel_backend: str = Field("loky", description="joblib backend of fits: loky, dask, ray or sequential")
    cors_origins: list[str] = []
    log_level: str = "INFO"

    @property
    def on_loopback(self) -> bool:
        """Whether the server is reachable from this machine alone."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def keys_required(self) -> bool:
        """Whether a request needs a key."""
        return not self.on_loopback if self.require_keys is None else self.require_keys

    @property
    def store_url(self) -> str:
        """The database URL, the default one's folder made."""
        if self.database_url:
            return self.database_url
        self.data_dir.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{self.data_dir / 'flopwise.sqlite'}"
