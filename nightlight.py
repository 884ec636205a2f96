"""The front door: every command."""


def main() -> None:
    raise SystemExit(2)
