"""Where a listener listens, as it is written."""

import pytest

from guard.server.endpoint import Internet, UnixPath, endpoint


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:8080", Internet("127.0.0.1", 8080)),
        ("localhost:0", Internet("localhost", 0)),
        ("[::1]:80", Internet("::1", 80)),
        ("unix:/run/guard.sock", UnixPath("/run/guard.sock")),
    ],
)
def test_each_form_is_understood(listen: str, expected: Internet | UnixPath) -> None:
    assert endpoint(listen) == expected


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1", "127.0.0.1:http", "unix:guard.sock", "unix:", ""])
def test_what_names_nothing_is_refused(listen: str) -> None:
    with pytest.raises(ValueError, match="is written"):
        endpoint(listen)
