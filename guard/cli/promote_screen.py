"""How a rule looks that may go from shadow to enforce: whom it met, whether it may, and the lines to change."""

from datetime import UTC, datetime

import msgspec

from guard.cli.screen import one_line
from guard.policy.promotion import Promotion
from guard.service.shadow_record import ShadowRecord, Subjects


class Weighed(msgspec.Struct, frozen=True):
    """A rule, what it would have done, and how many lines of the log could not be read."""

    promotion: Promotion
    record: ShadowRecord
    unread: int

    @property
    def refusal(self) -> str | None:
        """Why it must not be enforced now."""
        record, promotion = self.record, self.promotion
        if not promotion.edits:
            return f"{promotion.rule} is enforced already"
        if record.overflowed:
            return "the log names more keys than can be counted: give a shorter one"
        if not record.requests:
            return f"the log has no request of {promotion.service}"
        if 100 * record.share > promotion.percent:
            return f"it would deny something to more than {promotion.percent}% of the active keys or addresses"
        return None


def weighed_text(weighed: Weighed, top: int) -> str:
    """For a person."""
    record, promotion = weighed.record, weighed.promotion
    mode = "in shadow" if promotion.edits else "enforced"
    lines = [f"{promotion.rule} of {promotion.service}, {mode}, {_span(record)}"]
    lines.append(f"would have denied {record.denied:,} of {record.requests:,} requests, to {_shares(record)}")
    lines += [
        f"  {one_line(one.subject)}  {one.count:,} from {_time(one.first_at)} to {_time(one.last_at)}"
        for one in record.most_met(top)
    ]
    lines += [f"  {one_line(route)}  {count:,}" for route, count in record.by_route.most_common(top)]
    if weighed.unread:
        lines.append(f"{weighed.unread:,} lines could not be read.")
    if weighed.refusal is not None:
        return "\n".join([*lines, "", f"Refused: {weighed.refusal}."])
    lines += ["", "To enforce it:"]
    for edit in promotion.edits:
        lines += [f"--- {edit.file}:{edit.line}", f"-{edit.before}", f"+{edit.after}"]
    return "\n".join(lines)


def weighed_json(weighed: Weighed, top: int) -> str:
    """For a program."""
    record, promotion = weighed.record, weighed.promotion
    told = {
        "service": promotion.service,
        "rule": promotion.rule,
        "requests": record.requests,
        "denied": record.denied,
        **_counts("keys", record.keys),
        **_counts("addresses", record.addresses),
        "keys_denied_percent_max": promotion.percent,
        "met": [
            {"subject": one.subject, "denied": one.count, "first_at_ms": one.first_at, "last_at_ms": one.last_at}
            for one in record.most_met(top)
        ],
        "by_route": dict(record.by_route.most_common(top)),
        "unread": weighed.unread,
        "refused": weighed.refusal,
        "edits": [] if weighed.refusal is not None else [msgspec.to_builtins(edit) for edit in promotion.edits],
    }
    return msgspec.json.encode(told).decode()


def _shares(record: ShadowRecord) -> str:
    keys, addresses = record.keys, record.addresses
    told = [f"{len(keys.met):,} of {len(keys.active):,} active keys ({100 * keys.share:.2f}%)"]
    if addresses.active:
        share = f"{len(addresses.met):,} of {len(addresses.active):,}"
        told.append(f"{share} addresses without a key ({100 * addresses.share:.2f}%)")
    return " and ".join(told)


def _counts(kind: str, subjects: Subjects) -> dict[str, float]:
    return {
        f"{kind}_active": len(subjects.active),
        f"{kind}_denied": len(subjects.met),
        f"{kind}_denied_percent": round(100 * subjects.share, 3),
    }


def _span(record: ShadowRecord) -> str:
    return "no requests" if record.began_at is None else f"{_time(record.began_at)} to {_time(record.ended_at)}:"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
