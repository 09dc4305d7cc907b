"""`python -m guard` and the `guard` script."""

from guard.cli.main import app


def main() -> None:
    """Runs the command that the arguments name, and exits with its code."""
    app(prog_name="guard")


if __name__ == "__main__":
    main()
