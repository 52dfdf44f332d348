"""The blocks of code in docs/authors.md, for the tests that execute them."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "authors.md").read_text("utf-8")
BLOCKS: dict[str, list[str]] = {}
for _info, _text in re.findall(r"^```([^\n]+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL):
    BLOCKS.setdefault(_info, []).append(_text)


def block(info: str) -> str:
    """The one block that is called so."""
    (text,) = BLOCKS[info]
    return text


def run(text: str) -> dict[str, Any]:
    """Execute a block as a module; return its names."""
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(text, "docs/authors.md", "exec"), names)
    return names
