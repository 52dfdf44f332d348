"""What the global options say, and the settings that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from connectors.registry import ConnectorRegistry
    from runtime.settings import LoadedSettings, Settings


@dataclass
class Session:
    """One call of `ingest`. Filled by the global options, then read by the command.

    `details` are facts for the JSON of an error, beside those of its own.
    """

    config: Path | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    quiet: bool = False
    debug: bool = False
    as_json: bool = False
    details: dict[str, Any] = field(default_factory=dict)
    _loaded: "LoadedSettings | None" = None

    def load(self) -> "LoadedSettings":
        """Read the settings with their origins; raises SettingsError."""
        from runtime.settings import load_with_origins

        overrides = {**self.overrides, **({"log.level": "debug"} if self.debug else {})}
        self._loaded = load_with_origins(overrides, config=self.config)
        return self._loaded

    def settings(self, *, terse: bool = False) -> "Settings":
        """The settings of a command, with its log set up; raises SettingsError.

        `terse`: of a command that only asks, the log is no part of the answer: it begins with warnings.
        """
        from runtime.logging import configure_logging
        from runtime.redaction import secret_values

        settings = self.load().settings
        level = "warning" if terse and settings.log.level == "info" else settings.log.level
        log = settings.log.model_copy(update={"level": "error" if self.quiet else level})
        configure_logging(log, daemon=False, secrets=secret_values(settings))
        return settings

    def hide(self, text: str) -> str:
        """`text` without the secrets of the settings, as far as they were read."""
        if self._loaded is None:
            return text
        from runtime.redaction import hide_text, secret_values

        return hide_text(text, secret_values(self._loaded.settings))

    def environment(self) -> dict[str, str]:
        """The global options as variables, for daemons that are started as processes."""
        from runtime.keys import PREFIX, variable

        given = {
            name if name.upper().startswith(PREFIX) else variable(tuple(name.split("."))): value
            for name, value in self.overrides.items()
        }
        file = {"INGEST_CONFIG": str(self.config.resolve())} if self.config is not None else {}
        return {**file, **given, **({"INGEST_LOG__LEVEL": "debug"} if self.debug else {})}

    def registry(self, settings: "Settings", more: Sequence[Path] = ()) -> "ConnectorRegistry":
        """All connectors that these settings lead to, and those in `more` folders."""
        from connectors.registry import ConnectorRegistry

        return ConnectorRegistry.discover([*settings.connectors.paths, *more])

    def say(self, text: str) -> None:
        """Talk to the person: on stderr, because stdout is data; nothing with --quiet."""
        if not self.quiet:
            typer.echo(text, err=True)


def current(context: typer.Context, *, as_json: bool = False) -> Session:
    """The session of a command's context; `as_json` lets its errors be JSON on stdout besides."""
    session = context.ensure_object(Session)
    session.as_json = as_json
    return session
