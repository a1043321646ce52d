"""Settings: environment over file over default, checked once, everything that is wrong listed at once.

This is the only module that reads the environment.
"""

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from etl.errors import ConfigurationError

HERE = Path(__file__).resolve().parent
CONFIG_DIR = HERE / "_config" if (HERE / "_config").is_dir() else HERE.parent / "config"


class Section(BaseModel):
    """A section of the file: no unknown key, nothing changes after the door."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LegacySettings(Section):
    """Where the legacy is and what it looks like."""

    url: str
    layout: str
    unmapped: Literal["keep", "refuse"]


class TargetSettings(Section):
    """Where the target is."""

    url: str


class RunSettings(Section):
    """How a run works."""

    batch_rows: int = Field(ge=1)
    workers: int = Field(ge=0, le=64)
    publish_wait_s: float = Field(ge=0)
    publish_lock_timeout_ms: int = Field(ge=1)
    keep_publications: int = Field(ge=0)
    retry_attempts: int = Field(ge=1)
    retry_base_s: float = Field(ge=0)
    retry_max_s: float = Field(ge=0)
    checksums: bool
    on_failure: str
    on_failure_timeout_s: float = Field(gt=0)
    report_dir: str


class GateSettings(Section):
    """Thresholds that stop publication, in percent."""

    migrated_min_pct: float = Field(ge=0, le=100)
    validated_min_pct: float = Field(ge=0, le=100)
    rejected_max_pct: float = Field(ge=0, le=100)
    unresolved_teams_max_pct: float = Field(ge=0, le=100)


class AnalysisSettings(Section):
    """Assumptions of phase 1."""

    rows_per_s: float = Field(gt=0)


class BackupSettings(Section):
    """Backups of our tables."""

    when: Literal["off", "first", "each_phase"]
    dir: str
    keep: int = Field(ge=1)
    bin_dir: str


class ServerSettings(Section):
    """The embedded server."""

    shared_buffers_mb: int = Field(ge=16)
    max_wal_size_mb: int = Field(ge=64)
    max_connections: int = Field(ge=10)


class Settings(BaseSettings):
    """All settings of one invocation."""

    model_config = SettingsConfigDict(
        env_prefix="ETL_", env_nested_delimiter="_", env_nested_max_split=1, extra="forbid", frozen=True
    )

    home: str = ""
    legacy: LegacySettings
    target: TargetSettings
    run: RunSettings
    gates: GateSettings
    analysis: AnalysisSettings
    backup: BackupSettings
    server: ServerSettings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then what :func:`load_settings` merged from the files."""
        return env_settings, init_settings

    @property
    def is_embedded(self) -> bool:
        """Neither DSN is given: both databases are the embedded server's."""
        return not self.legacy.url and not self.target.url


class _Given(Settings):
    """Settings that are complete: the environment has had its say."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing but what is given."""
        return (init_settings,)


def load_settings(
    *, config: Path | None = None, profile: str | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of this invocation.

    Args:
        config: a TOML file that overrides the shipped one.
        profile: a table ``[profiles.<name>]`` of either file.
        overrides: from the command line, nested by section; None values are left out. They win over everything.

    Raises:
        ConfigurationError: a file cannot be read, or values are wrong; every wrong one is listed.
    """
    merged = read_toml(CONFIG_DIR / "etl.toml")
    if config is not None:
        merged = _merge(merged, read_toml(config))
    profiles = merged.pop("profiles", {})
    if profile is not None:
        merged = _merge(merged, _profile(profiles, profile))
    _refuse_secrets(merged)
    try:
        settings = Settings(**merged)
        given = _without_none(overrides or {})
        if given:
            settings = _Given(**_merge(settings.model_dump(), given))
    except ValidationError as error:
        raise _listed(error) from None
    return _checked(settings)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as data.

    Raises:
        ConfigurationError: it is missing, unreadable or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        step = "check the path given by --config"
        raise ConfigurationError(f"cannot read {path}: {error}", next_step=step) from None


def environment(name: str) -> str:
    """One variable of the environment; empty where it is not set."""
    return os.environ.get(name, "")


def config_hash(*parts: Mapping[str, Any]) -> str:
    """A short hash of settings that results depend on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _checked(settings: Settings) -> Settings:
    layouts = sorted(path.stem for path in (CONFIG_DIR / "legacy").glob("*.toml"))
    if settings.legacy.layout not in layouts:
        raise ConfigurationError(
            f"legacy.layout is {settings.legacy.layout!r}: expected one of {', '.join(layouts)}",
            next_step="set ETL_LEGACY_LAYOUT",
        )
    if bool(settings.legacy.url) != bool(settings.target.url):
        missing = "ETL_TARGET_URL" if settings.legacy.url else "ETL_LEGACY_URL"
        raise ConfigurationError(
            f"only one of both databases is given: {missing} is not set",
            next_step=f"set {missing} (both may be one database), or neither for the embedded server",
        )
    for name, url in (("ETL_LEGACY_URL", settings.legacy.url), ("ETL_TARGET_URL", settings.target.url)):
        if url and not _is_dsn(url):
            raise ConfigurationError(
                f"{name} is no postgresql:// DSN", next_step="give it as postgresql://user@host:port/database"
            )
    return settings


def _is_dsn(url: str) -> bool:
    try:
        scheme, port = urlsplit(url).scheme, urlsplit(url).port
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False
    return scheme in ("postgresql", "postgres") and port != 0


def _profile(profiles: Any, name: str) -> Mapping[str, Any]:
    found = profiles.get(name) if isinstance(profiles, Mapping) else None
    if isinstance(found, Mapping):
        return found
    known = sorted(profiles) if isinstance(profiles, Mapping) else []
    raise ConfigurationError(
        f"no profile {name!r}: expected one of {', '.join(known) or 'none'}",
        next_step="add [profiles.<name>] to the file given by --config",
    )


def _refuse_secrets(merged: Mapping[str, Any]) -> None:
    for name in ("legacy", "target"):
        section = merged.get(name)
        if isinstance(section, Mapping) and _holds_password(str(section.get("url", ""))):
            raise ConfigurationError(
                f"{name}.url holds a password in a file",
                next_step=f"give it in ETL_{name.upper()}_URL, PGPASSWORD or libpq's password file",
            )


def _holds_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False  # no DSN at all, which is said elsewhere
    return bool(parts.password or dict(parse_qsl(parts.query)).get("password"))


def _listed(error: ValidationError) -> ConfigurationError:
    # NOTE: the value itself is not shown where it may hold a password.
    wrong = [
        f"{'.'.join(map(str, e['loc']))}: {e['msg']}" + ("" if "url" in e["loc"] else f" (got {e['input']!r})")
        for e in error.errors()
    ]
    return ConfigurationError("; ".join(wrong), next_step="see config/etl.toml for every setting and its unit")


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = {k: _without_none(v) if isinstance(v, Mapping) else v for k, v in data.items()}
    return {k: v for k, v in cleaned.items() if v is not None and v != {}}
