"""What a signature does not bind must not be there: the shape that a scheme demands of a message.

These rules keep bytes from moving between parts that the signature base joins, and keep one signature from meaning two
messages (SIGNING.md section 9.5). All but what they say of a form's parameters is judged at the head.
"""

import re

from guard.model.claims import ClaimFault
from guard.model.facts import Facts
from guard.signing.content_digest import is_content_digest
from guard.signing.parameters import FORM_TYPE, lookalike, media_type, pairs
from guard.signing.scheme import Scheme, Shape

_QUERY = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*+")
_ENCODED_DELIMITER = re.compile(rb"%(?:26|3[Dd]|23|25)")
_BODILESS = ("GET", "HEAD")


def uncovered(scheme: Scheme, facts: Facts) -> ClaimFault | None:
    """The first thing that the scheme's signature would leave open, if any. `facts.body` None means that one is coming.

    Codes: `request.malformed` for the shape, `auth.malformed` for a Content-Digest that is missing or not canonical.
    """
    return _misshapen(scheme.shape, facts) or (_undigested(facts) if scheme.has_content_digest else None)


def uncovered_in_body(scheme: Scheme, facts: Facts) -> ClaimFault | None:
    """What the body that `uncovered` had not seen brought, and the signature would leave open: parameters of a form."""
    shape = scheme.shape
    return _bad_parameters(shape, facts, facts.query or b"") if shape.duplicate_params or shape.query_names else None


def _misshapen(shape: Shape, facts: Facts) -> ClaimFault | None:
    has_body = facts.body is None or len(facts.body) > 0
    bodiless = facts.verb in _BODILESS
    has_query = facts.query is not None
    if has_body and (shape.body or (shape.get_body and bodiless)):
        return _refused("a body here")
    if has_query and (shape.query or (shape.post_query and not bodiless)):
        return _refused("a query here")
    if has_query and has_body and shape.query_and_body:
        return _refused("a query and a body together")
    query = facts.query or b""
    if shape.query_rfc3986 and not _QUERY.fullmatch(query):
        return _refused("a query with characters that must be percent-encoded")
    if shape.query_encoded_delims and _ENCODED_DELIMITER.search(query):
        return _refused("an encoded delimiter in the query")
    if shape.duplicate_params or shape.query_names:
        return _bad_parameters(shape, facts, query)
    return None


def _bad_parameters(shape: Shape, facts: Facts, query: bytes) -> ClaimFault | None:
    names = [name for name, _ in pairs(query)]
    if media_type(facts) == FORM_TYPE:
        names.extend(name for name, _ in pairs(facts.body or b""))
    if shape.query_names and not all(shape.query_names.fullmatch(name) for name in names):
        return _refused("a parameter of that name")
    if shape.duplicate_params and len({lookalike(name) for name in names}) < len(names):
        return _refused("a parameter twice")
    return None


def _undigested(facts: Facts) -> ClaimFault | None:
    """RFC 9530, narrowed: with a body exactly one Content-Digest, and it is one canonical `sha-256` member."""
    stated = facts.values(b"content-digest")
    if not stated:
        return None if facts.body == b"" else ClaimFault("auth.malformed", "A body needs a Content-Digest.")
    if len(stated) > 1 or not is_content_digest(stated[0]):
        return ClaimFault("auth.malformed", "Content-Digest must be exactly one canonical sha-256 member.")
    return None


def _refused(what: str) -> ClaimFault:
    return ClaimFault("request.malformed", f"The signature scheme does not allow {what}.")
