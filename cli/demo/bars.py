"""Live progress of the demo: one bar for each source and stage, plain lines where there is no terminal."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Display

from cli.demo.counts import Progress

STAGES = ("extracted", "published", "loaded")


class Bars(Protocol):
    """Shows where the sources are."""

    def show(self, progress: Mapping[str, Progress]) -> None:
        """Show the newest figures."""


@contextmanager
def open_bars(console: Console, sources: Sequence[str]) -> Iterator[Bars]:
    """Bars in a terminal, otherwise a line whenever a figure has changed."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Display(*columns, console=console) as display:
        yield _Live(display, sources)


class _Live:
    def __init__(self, display: Display, sources: Sequence[str]) -> None:
        self._display = display
        self._tasks: dict[tuple[str, str], TaskID] = {
            (source, stage): display.add_task(f"{source:<10}{stage}", total=None)
            for source in sources
            for stage in STAGES
        }

    def show(self, progress: Mapping[str, Progress]) -> None:
        for (source, stage), task in self._tasks.items():
            known = progress[source]
            done = getattr(known, stage)
            # How much there is to extract is known only when the generator has ended.
            total = known.extracted if known.finished or stage != "extracted" else None
            self._display.update(task, completed=done, total=total)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: Mapping[str, Progress] = {}

    def show(self, progress: Mapping[str, Progress]) -> None:
        if progress == self._last:
            return
        self._last = dict(progress)
        parts = [
            f"{source} {' / '.join(str(getattr(one, stage)) for stage in STAGES)}"
            for source, one in progress.items()
        ]
        self._console.print(f"extracted / published / loaded: {';  '.join(parts)}", soft_wrap=True)
