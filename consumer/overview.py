"""What an operator reads about a loader on `/readyz?verbose`: what it owns, what does not get on, and why.

The numbers behind it are metrics, the full errors are in the log.
"""

from collections import Counter
from collections.abc import Sequence

from consumer.loader import Loader
from consumer.workers import Workers
from runtime.redaction import hide_text

# Errors may quote a whole answer of a server; the log has all of it.
_LONGEST = 300


class Overview:
    """Says how the loader is, at any time and from any thread. No line holds a secret or a line break."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = secrets
        self._workers: Workers | None = None
        self._loader: Loader | None = None

    def watch_workers(self, workers: Workers) -> None:
        """These load the batches, from now on."""
        self._workers = workers

    def watch_loader(self, loader: Loader) -> None:
        """This one consumes, from now on; another one will when the group was lost."""
        self._loader = loader

    def partitions(self) -> Sequence[str]:
        """How many are assigned, and a line for each that stands still."""
        owned = list(self._loader.assignment) if self._loader is not None else []
        if not owned:
            return ["owns nothing yet"]
        topics = Counter(assigned.topic for assigned in owned)
        stopped = [
            f"{one.topic}[{one.partition}] stands still: {self._short(one.stopped)}"
            for one in sorted(owned, key=lambda one: one.key)
            if one.stopped
        ]
        return [f"{len(owned)} assigned, of {len(topics)} topic{'s' * (len(topics) != 1)}", *stopped]

    def topics(self) -> Sequence[str]:
        """A line for each topic that waits, and for each from which nothing is fetched."""
        waiting = self._workers.waiting() if self._workers is not None else {}
        paused = self._loader.paused if self._loader is not None else frozenset()
        lines = []
        for topic in sorted({*waiting, *paused}):
            told = [f"waits: {self._short(waiting[topic])}"] if topic in waiting else []
            told += ["paused, its unloaded records fill their share of the memory"] if topic in paused else []
            lines.append(f"{topic}: {'; '.join(told)}")
        return lines

    def _short(self, text: str) -> str:
        words = " ".join(hide_text(text, self._secrets).split())
        return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} …"
