"""Is the message one that every program would read in the same way?"""

from guard.core.evidence import Draft
from guard.model.decision import Deny
from guard.model.facts import Facts
from guard.wire.field_names import names_defect


def message_is_unambiguous(facts: Facts) -> Deny | None:
    """The edge that decoded the message found nothing that two programs may read in two ways."""
    if facts.defects:
        return Deny(code=facts.defects[0].code, detail=facts.defects[0].detail)
    return None


def names_are_unambiguous(draft: Draft) -> Deny | None:
    """No field has a name that a backend may take for a credential's, and none asks for a credential to be dropped."""
    defect = names_defect(draft.facts, draft.service.credentials)
    if defect is None:
        return None
    return Deny(code=defect.code, rule=draft.service.rule, detail=defect.detail)


def announced_body_fits(draft: Draft) -> Deny | None:
    """A body that says it is larger than the route takes, or that is at hand and is so, is looked at no further."""
    facts = draft.facts
    size = facts.body_bytes_announced if facts.body is None else len(facts.body)
    if size is not None and size > draft.route.max_body_bytes:
        return Deny(code="request.too_large", rule=draft.route.rule, detail=_at_most(draft.route.max_body_bytes))
    return None


def _at_most(body_bytes_max: int) -> str:
    return f"this route takes at most {body_bytes_max} bytes"
