"""Settings of the Slack face, from FLOPWISE_SLACK_* variables."""

from __future__ import annotations

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from knowledge.errors import InputError

BOT_SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "chat:write",
    "chat:write.public",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "im:history",
    "im:write",
    "mpim:history",
)


class SlackSettings(BaseSettings):
    """Every setting with its default; FLOPWISE_SLACK_BOT_TOKEN=xoxb-... sets `bot_token`, and so on."""

    model_config = SettingsConfigDict(env_prefix="FLOPWISE_SLACK_", extra="ignore")

    signing_secret: SecretStr | None = Field(default=None, description="Basic Information > Signing Secret; needed for HTTP")
    bot_token: SecretStr | None = Field(default=None, description="xoxb-...; one workspace without OAuth")
    app_token: SecretStr | None = Field(default=None, description="xapp-... with connections:write; needed for socket mode")
    client_id: str | None = Field(default=None, description="for installation in several workspaces by OAuth")
    client_secret: SecretStr | None = None
    token_keys: SecretStr | None = Field(
        default=None, description="keys that seal the workspaces' tokens, by commas: the first seals, all open; needed with OAuth"
    )
    redirect_url: str | None = Field(default=None, description="https://HOST/slack/oauth_redirect, as in the manifest")
    api_url: str = Field(default="https://slack.com/api/", description="base of the Web API")
    public_url: str = Field(default="", description="where people reach the chat page; empty leaves the button `Open in browser` out")
    host: str = "127.0.0.1"
    port: int = Field(default=8585, ge=0, le=65535)
    user_per_minute: int = Field(default=12, ge=1, description="questions a person may ask a minute")
    team_per_minute: int = Field(default=120, ge=1, description="questions a workspace may ask a minute")
    max_upload_bytes: int = Field(default=20_000_000, ge=1024)
    call_timeout_seconds: float = Field(default=10.0, gt=0, description="how long one call of the Web API may take")
    patience_seconds: float = Field(default=900.0, gt=0, description="how long an answer is tried to be delivered")
    stream_seconds: float = Field(default=25.0, gt=0, description="a job longer than this closes its stream and posts when ready")
    lease_seconds: float = Field(default=30.0, gt=0, description="a question whose process is silent for this long is taken over")
    plan_processes: int = Field(default=2, ge=0, description="processes that make plans and figures; 0 makes them in threads of this one")
    fit_resamples: int = Field(default=400, ge=0, le=10_000)

    @classmethod
    def load(cls, **given: object) -> SlackSettings:
        """Settings from the environment and `given` (None values are left out); raises InputError naming the variable."""
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType]
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"FLOPWISE_SLACK_{'_'.join(map(str, first['loc'])).upper()}", first["msg"]) from None

    def require(self, socket: bool) -> None:
        """Raise InputError naming the first secret that is missing for the mode."""
        if socket and self.app_token is None:
            raise InputError("FLOPWISE_SLACK_APP_TOKEN", "is not set", "socket mode needs an app-level token with connections:write")
        if not socket and self.signing_secret is None:
            raise InputError("FLOPWISE_SLACK_SIGNING_SECRET", "is not set", "take it from Basic Information of the Slack app")
        if self.bot_token is None and not self.by_oauth:
            raise InputError("FLOPWISE_SLACK_BOT_TOKEN", "is not set", "or set CLIENT_ID and CLIENT_SECRET for installation by OAuth")
        if self.token_keys is not None:
            from server.slack.sealing import Seal

            Seal(self.token_keys.get_secret_value())
        elif self.by_oauth:
            raise InputError(
                "FLOPWISE_SLACK_TOKEN_KEYS", "is not set", "tokens of workspaces are kept sealed: `flopwise slack --new-key` prints a key"
            )

    @property
    def by_oauth(self) -> bool:
        """Whether workspaces install the app themselves."""
        return self.client_id is not None and self.client_secret is not None
