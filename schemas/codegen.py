"""Python source under construction: statements, constants by name, and values computed once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Code:
    """The body of one generated function. `helpers` are the names its statements may use from the start."""

    def __init__(self, helpers: Mapping[str, Any]) -> None:
        self.constants: dict[str, Any] = dict(helpers)
        self._lines: list[tuple[int, str]] = []
        self._depth = 0
        self._names = 0
        self._known: list[dict[str, str]] = [{}]

    def line(self, statement: str) -> None:
        """Add a statement at the present depth."""
        self._lines.append((self._depth, statement))

    def lines(self, statements: list[tuple[int, str]]) -> None:
        """Add statements taken down by `aside`."""
        self._lines += [(self._depth + depth, statement) for depth, statement in statements]

    @contextmanager
    def block(self, opening: str) -> Iterator[None]:
        """Add a compound statement; what is added meanwhile becomes its body."""
        self.line(opening)
        self._depth += 1
        self._known.append({})
        yield
        self._known.pop()
        self._depth -= 1

    @contextmanager
    def aside(self) -> Iterator[list[tuple[int, str]]]:
        """Take down the statements added meanwhile, instead of adding them."""
        outer, depth = self._lines, self._depth
        self._lines, self._depth = [], 0
        self._known.append({})
        yield self._lines
        self._known.pop()
        self._lines, self._depth = outer, depth

    def name(self, hint: str) -> str:
        """A variable name not used yet; its number keeps it apart from keywords, helpers and parameters."""
        self._names += 1
        return f"{hint if hint.isidentifier() else 'value'}_{self._names}"

    def constant(self, value: Any, hint: str) -> str:
        """The name of a constant, the same for the same object."""
        for name, known in self.constants.items():
            if known is value:
                return name
        name = self.name(hint.upper())
        self.constants[name] = value
        return name

    def once(self, expression: str, hint: str) -> str:
        """A variable that holds `expression`, computed here unless this block or one around it has it."""
        for known in self._known:
            if expression in known:
                return known[expression]
        name = self.name(hint)
        self.line(f"{name} = {expression}")
        self._known[-1][expression] = name
        return name

    def text(self) -> str:
        """The source."""
        return "".join(f"{'    ' * depth}{statement}\n" for depth, statement in self._lines)
