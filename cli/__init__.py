"""The `ingest` command. Each group of commands is a file; heavy imports stand inside the commands."""
