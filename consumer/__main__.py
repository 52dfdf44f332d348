"""`python -m consumer`: the loading daemon, set up by environment variables and INGEST_CONFIG alone."""

import sys

from consumer.daemon import main
from runtime.errors import SettingsError
from runtime.exit_codes import ExitCode
from runtime.settings import load_settings

if __name__ == "__main__":
    try:
        settings = load_settings()
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
        sys.exit(ExitCode.CONFIG)
    sys.exit(main(settings))
