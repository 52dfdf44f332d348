"""`python -m producer`: the daemon with the settings of the environment."""

import sys

from producer.daemon import main
from runtime.errors import SettingsError
from runtime.exit_codes import CONFIG
from runtime.settings import load_settings

if __name__ == "__main__":
    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(CONFIG)
    sys.exit(main(settings))
