"""How an error leaves the command: one readable block on stderr and the documented exit code.

Errors are told by the names of their classes, so that this file imports none of the rooms.
"""

import traceback
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import typer

from cli.output import to_json
from runtime.exit_codes import ExitCode

# The most specific class of an error counts. Value: exit code, what happened, what to do next.
_KNOWN: Mapping[str, tuple[ExitCode, str, str]] = {
    "runtime.errors.SettingsError": (
        ExitCode.CONFIG,
        "settings are wrong",
        "correct them; docs/settings.md lists all settings",
    ),
    "runtime.errors.StartError": (ExitCode.UNREACHABLE, "cannot start", ""),
    "runtime.errors.DependencyError": (
        ExitCode.UNREACHABLE,
        "a server does not answer",
        "run `ingest doctor`",
    ),
    "schemas.errors.RegistryUnavailableError": (
        ExitCode.UNREACHABLE,
        "the schema registry does not answer",
        "run `ingest doctor`",
    ),
    "schemas.errors.RegistryRefusedError": (
        ExitCode.CONFIG,
        "the schema registry refused",
        "check INGEST_REGISTRY__USERNAME, INGEST_REGISTRY__PASSWORD and its permissions",
    ),
    "schemas.errors.IncompatibleSchemaError": (
        ExitCode.INCOMPATIBLE,
        "the schema is incompatible",
        "give new fields a default and leave the old ones as they are, or publish under another source name",
    ),
    "schemas.errors.ContractError": (ExitCode.CONFIG, "the connector cannot be published", ""),
    "schemas.errors.TopicNameError": (ExitCode.CONFIG, "not a topic of ours", ""),
    "schemas.errors.SchemaError": (ExitCode.ERROR, "a schema or record cannot be used", ""),
    "connectors.errors.UpstreamError": (ExitCode.UNREACHABLE, "the outside API failed", "try again later"),
    "connectors.errors.StopSourceError": (ExitCode.CONFIG, "the source cannot run", ""),
    "connectors.errors.UnknownSourceError": (
        ExitCode.CONFIG,
        "unknown source",
        "`ingest connectors list` shows all",
    ),
    "connectors.errors.QuarantinedSourceError": (
        ExitCode.CONFIG,
        "the source was set aside",
        "mend its file; `ingest connectors check` shows all that was set aside",
    ),
    "connectors.errors.ConnectorSettingsError": (
        ExitCode.CONFIG,
        "settings of a source are missing or wrong",
        "",
    ),
    "connectors.errors.ConnectorFolderError": (ExitCode.CONFIG, "a folder of connectors cannot be read", ""),
    "connectors.errors.DuplicateSourceError": (ExitCode.CONFIG, "two sources have one name", ""),
    "connectors.errors.SinceError": (ExitCode.CONFIG, "--since cannot be used", ""),
    "connectors.errors.UntilError": (ExitCode.CONFIG, "--until cannot be used", ""),
    "connectors.errors.ConnectorError": (ExitCode.ERROR, "the connector failed", ""),
    "producer.errors.BrokerAwayError": (
        ExitCode.UNREACHABLE,
        "the broker does not answer",
        "run `ingest doctor`",
    ),
    "producer.errors.PublisherFencedError": (
        ExitCode.ERROR,
        "another process runs the source",
        "leave it to that one, or end it first; what was published stays",
    ),
    "producer.errors.SourceStoppedError": (ExitCode.CONFIG, "the source cannot run", ""),
    "producer.errors.RunLimitedError": (
        ExitCode.LATER,
        "the source may not run now",
        "run it again at that time, or leave it to the daemon",
    ),
    "producer.errors.SourcePausedError": (ExitCode.LATER, "the source is paused", ""),
    "producer.errors.RequestRefusedError": (
        ExitCode.ERROR,
        "the request was not written",
        "mend what the broker says, such as a missing right to write, then ask again",
    ),
    "producer.errors.CursorInUseError": (ExitCode.LATER, "the cursor cannot be changed now", ""),
    "producer.errors.NoCursorError": (ExitCode.CONFIG, "the source has no cursor", ""),
    "producer.errors.ProducerError": (ExitCode.ERROR, "the run failed", ""),
    "consumer.errors.RetryError": (ExitCode.UNREACHABLE, "a server does not answer", "run `ingest doctor`"),
    "consumer.errors.ConsumerError": (ExitCode.ERROR, "loading failed", ""),
    "devstack.errors.TryAgainError": (ExitCode.UNREACHABLE, "the dev stack did not come up", "try again"),
    "devstack.errors.SetupError": (ExitCode.CONFIG, "the dev stack cannot start", ""),
    "devstack.errors.DevStackError": (ExitCode.ERROR, "the dev stack failed", ""),
    "cli.daemons.DaemonDiedError": (ExitCode.ERROR, "a daemon has ended", ""),
    "cli.demo.flow.DemoStalledError": (ExitCode.ERROR, "the demo stands still", ""),
    "cli.errors.CommandError": (ExitCode.ERROR, "failed", ""),
    "cli.errors.RunFailedError": (ExitCode.ERROR, "the run failed", ""),
    "cli.errors.RunPutOffError": (ExitCode.LATER, "the source may not run now", ""),
    "cli.errors.CursorRefusedError": (ExitCode.CONFIG, "CURSOR cannot be used", ""),
    "cli.errors.NotFoundError": (ExitCode.CONFIG, "not found", ""),
}

_OURS = "this is a fault of ours; `ingest --debug …` shows where it happened"


def report(
    error: BaseException,
    *,
    debug: bool = False,
    hide: Callable[[str], str] = lambda text: text,
    as_json: bool = False,
    details: Mapping[str, Any] = MappingProxyType({}),
) -> ExitCode:
    """Write the error to stderr, through `hide`; the exit code is the answer.

    With `as_json` it is one line of JSON on stdout besides, for programs that read only that; `details` are
    more facts for it.
    """
    if debug:
        typer.echo(hide("".join(traceback.format_exception(error))), err=True, nl=False)
    code, what, step = _look_up(error)
    if code is None:
        code, what, step = ExitCode.ERROR, f"unexpected {type(error).__name__}", "" if debug else _OURS
        typer.echo(hide(f"ingest: {what}: {error}"), err=True)
    else:
        typer.echo(f"ingest: {what}", err=True)
        for line in hide(str(error)).splitlines():
            typer.echo(f"  {line}", err=True)
    if step:
        typer.echo(f"  next: {step}", err=True)
    if as_json:
        own = {"ok": False, "exit_code": code.value, "error": what, "message": hide(str(error))}
        more = {"next": step or None, **getattr(error, "details", {}), **details}
        typer.echo(to_json({**own, **more}))
    return code


def exit_code(error: BaseException) -> ExitCode:
    """The documented exit code of an error."""
    return _look_up(error)[0] or ExitCode.ERROR


def _look_up(error: BaseException) -> tuple[ExitCode | None, str, str]:
    for cls in type(error).__mro__:
        if found := _KNOWN.get(f"{cls.__module__}.{cls.__name__}"):
            code, what, step = found
            return code, what, getattr(error, "step", step)
    return None, "", ""
