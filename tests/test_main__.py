import subprocess
import sys


def test_the_package_runs_as_a_program_called_guard() -> None:
    words = [sys.executable, "-m", "guard", "version"]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout == "guard 0.1.0\n"  # noqa: S603
    usage = subprocess.run([*words[:-1], "--help"], check=True, capture_output=True, text=True).stdout  # noqa: S603
    assert usage.startswith("Usage: guard ")
