"""The forms that names, hosts, networks, paths and origins must have. Each reader returns the one canonical spelling.

A reader raises NameFault with a message for the author of the policy.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from guard.model.upstream_policy import APP
from guard.signing.template import parse_pointer
from guard.wire.client_address import canonical

ID_PATTERN: Final = "^[a-z0-9]+(-[a-z0-9]+)*$"
SIGNAL_PATTERN: Final = "^[a-z0-9]+([-_][a-z0-9]+)*$"
SCOPE_PATTERN: Final = "^[a-z][a-z0-9_.:-]{0,63}$"
PARAMETER_PATTERN: Final = "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"
POINTER_PATTERN: Final = "^(/([^~/]|~[01]){0,128}){0,8}$"
LIST_PREFIX: Final = "file:"
LIST_ENDING: Final = ".txt"
LIST_PATTERN: Final = r"^file:[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.txt$"
FIELD_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
VARIABLE_PATTERN: Final = r"^\$\{[A-Z][A-Z0-9_]{0,63}\}$"
ORIGIN_PATTERN: Final = r"^(https?://[^/?#@\s]+/?|app|\$\{[A-Z][A-Z0-9_]{0,63}\})$"
REQUEST_PATH_PATTERN: Final = '^/[!"$-~]{0,255}$'
KEY_NAME_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$"
STEP_PATTERN: Final = "^[A-Za-z]{1,20} /[!-~]{0,2047}$"

_ID = re.compile(ID_PATTERN, re.ASCII)
_ID_CHARACTERS_MAX = 64
_SIGNAL = re.compile(SIGNAL_PATTERN, re.ASCII)
_SCOPE = re.compile(SCOPE_PATTERN, re.ASCII)
_FIELD = re.compile(FIELD_PATTERN, re.ASCII)
_LIST = re.compile(LIST_PATTERN, re.ASCII)
_PARAMETER = re.compile(PARAMETER_PATTERN, re.ASCII)
_POINTER = re.compile(POINTER_PATTERN, re.ASCII)
_REQUEST_PATH = re.compile(REQUEST_PATH_PATTERN, re.ASCII)
_KEY_NAME = re.compile(KEY_NAME_PATTERN, re.ASCII)
_STEP = re.compile(STEP_PATTERN, re.ASCII)
_VARIABLE = re.compile(VARIABLE_PATTERN, re.ASCII)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)


class NameFault(ValueError):  # noqa: N818  # a fault of the policy's author, not of the program
    """Which code, why, and what to write instead. A message that begins with `is` wants the value in front of it."""

    def __init__(self, code: str, message: str, help_text: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help_text = help_text


def identifier(value: object) -> str:
    """A service, limit, group or scheme: lower-case letters, digits and single hyphens."""
    text = _text(value)
    if len(text) > _ID_CHARACTERS_MAX or _ID.fullmatch(text) is None:
        raise NameFault("P106", "is not a name", "use lower-case letters, digits and single hyphens, at most 64")
    return text


def signal(value: object) -> str:
    """A signal of abuse: as other names, or with underscores."""
    text = _text(value)
    if len(text) > _ID_CHARACTERS_MAX or _SIGNAL.fullmatch(text) is None:
        hint = "use lower-case letters, digits, single hyphens and underscores, at most 64"
        raise NameFault("P106", "is not a name", hint)
    return text


def scope(value: object) -> str:
    """A scope: what a key may do."""
    text = _text(value)
    if _SCOPE.fullmatch(text) is None:
        raise NameFault("P106", "is not a scope", "use lower-case letters, digits, and . _ : - after the first letter")
    return text


def parameter(value: object) -> str:
    """A parameter of a query."""
    text = _text(value)
    if _PARAMETER.fullmatch(text) is None:
        raise NameFault("P106", "is not a parameter's name", "use letters, digits, and . _ - after the first letter")
    return text


def pointer(value: object) -> tuple[str, ...]:
    """A JSON Pointer, step by step. The empty text is the whole document."""
    text = _text(value)
    if _POINTER.fullmatch(text) is None:
        raise NameFault("P106", "is not a JSON Pointer", "begin with a slash, such as /orders (RFC 6901)")
    return parse_pointer(text)


def field_name(value: object) -> str:
    """A field name in lower case."""
    text = _text(value)
    if _FIELD.fullmatch(text) is None:
        raise NameFault("P106", "is not a field name", "use letters, digits, hyphens and underscores")
    return text.lower()


def host(value: object) -> str:
    """A host without port, in lower case: a DNS name, an IPv4 address, or an IPv6 address in brackets."""
    text = _text(value).lower()
    if text.startswith("[") and text.endswith("]"):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1])}]"
        except ValueError:
            raise NameFault("P108", "is not an IPv6 address in brackets") from None
    if _HOST.fullmatch(text) is None:
        raise NameFault("P108", "is not a host", "write the name alone, without scheme, port, path or wildcard")
    return text


def network(value: object) -> str:
    """An address or network in CIDR form."""
    text = _text(value)
    if text.startswith(LIST_PREFIX):
        hint = "lists in files are for `allow` and `deny` of `client_ip`, and for `allow_ips`"
        raise NameFault("P108", "is not a network", hint)
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise NameFault("P108", "is not a network", _network_help(text)) from None


def network_or_list(value: object) -> str:
    """The same; or `file:NAME.txt`, a list of them beside the policy, left as it is."""
    text = _text(value)
    if not text.startswith(LIST_PREFIX):
        return network(text)
    return LIST_PREFIX + list_name(text)


def list_name(text: str) -> str:
    """The name of the file of `file:NAME.txt`."""
    name = text.removeprefix(LIST_PREFIX)
    if _LIST.fullmatch(text) is None:
        hint = "write `file:` and the name of a file beside the policy that ends in `.txt`"
        raise NameFault("P106", "is not a list in a file", hint)
    return name


def origin(value: object) -> str:
    """An http or https origin, without a path; or `app`; or `${NAME}`, left as it is."""
    text = _text(value)
    if text == APP or is_variable(text):
        return text
    if "${" in text:
        raise NameFault("P109", "a variable must be the whole value", "write ${NAME} and nothing else")
    if re.search(r"[\s\\]", text):
        raise NameFault("P108", "is not a URL", _ORIGIN_HELP)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise NameFault("P108", "is not a URL", _ORIGIN_HELP) from None
    if parts.username is not None or parts.password is not None:
        raise NameFault("P108", "a URL with credentials in it", "leave them out: no secret belongs in a policy")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise NameFault("P108", "is not an http or https URL", _ORIGIN_HELP)
    if parts.path not in ("", "/") or "?" in text or "#" in text:
        raise NameFault("P108", "a URL with more than an origin", f"{_ORIGIN_HELP}: paths are forwarded unchanged")
    name = host(f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname)
    return f"{parts.scheme}://{name}" + (f":{port}" if port is not None else "")


def address(value: object) -> str:
    """One address of a client, in its canonical spelling."""
    found = canonical(_text(value))
    if found is None:
        raise NameFault("P108", "is not an address", "write one, such as 203.0.113.7 or 2001:db8::1")
    return found


def key_name(value: object) -> str:
    """The id of a key, or the name of an account, as guard or whoever it was imported from makes them."""
    text = _text(value)
    if _KEY_NAME.fullmatch(text) is None:
        raise NameFault("P106", "is not a key id or account", "use letters, digits and . _ : / @ -, at most 128")
    return text


def step_request(value: object) -> tuple[str, str]:
    """METHOD and target of a request in a policy test, the target as it is to be sent."""
    text = _text(value)
    if _STEP.fullmatch(text) is None:
        raise NameFault("P106", "is not METHOD /target", "write it as it is sent, such as GET /v1/depth?limit=5")
    method, _, target = text.partition(" ")
    return method, target


def request_path(value: object) -> str:
    """A path to ask for, perhaps with a query: visible ASCII, as it is to be sent."""
    text = _text(value)
    if _REQUEST_PATH.fullmatch(text) is None:
        raise NameFault("P108", "is not a path", "write it as it is sent, such as /healthz")
    return text


def is_variable(text: str) -> bool:
    """Whether the text is `${NAME}`, whole."""
    return _VARIABLE.fullmatch(text) is not None


_ORIGIN_HELP = "write an origin, such as http://127.0.0.1:8081"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise NameFault("P103", "is not text", "put it in quotes" if isinstance(value, int | float) else "")
    return value


def _network_help(text: str) -> str:
    try:
        return f"did you mean {ipaddress.ip_network(text, strict=False)}?"
    except ValueError:
        return "write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
