"""docs/settings.md is what the models say."""

from runtime.keys import Keys, variable
from runtime.settings import Settings
from runtime.settings_table import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m runtime.settings_table"


def test_every_setting_is_on_the_page_and_has_a_meaning() -> None:
    for path, field in Keys.of(Settings).fields.items():
        assert f"| `{variable(path)}` |" in page()
        assert field.description
