"""What can be done about a denial: one line for whoever answers the ticket."""

from typing import Final

from guard.model.decision import Deny

_BANNED: Final = "see why (guard bans list, guard bans show ban_…), and wait, or end it (guard bans lift ban_… --why …)"

_BY_CODE: Final = {
    "route.unknown": "write a route for it, or ask for one that the policy has",
    "route.method": "use one of the methods that the route has",
    "request.misdirected": "name the authority in `match: {hosts: […]}`, or send another Host",
    "auth.missing": "sign it with a scheme that the route accepts",
    "auth.malformed": "write the credentials as their scheme demands (docs/signing.md)",
    "auth.stale": "sign it directly before sending; set the client's clock; or widen `auth.window`",
    "auth.future": "set the client's clock; or widen `auth.window.future`",
    "auth.replayed": "sign it anew, with a nonce of its own",
    "auth.unknown_key": "create the key (guard keys create), or send the id of one that there is",
    "auth.bad_signature": "compare the string to sign (guard sign --dry-run)",
    "auth.bad_digest": "sign the digest of the very bytes that are sent",
    "auth.algorithm": "use a key of a kind that the route accepts, or accept it in `algorithms`",
    "auth.revoked_key": "create another key",
    "auth.expired_key": "rotate the key (guard keys rotate)",
    "auth.suspended_key": "resume the key (guard keys resume)",
    "authz.scope": "give a key that scope, or ask for another scope on the route",
    "authz.ip": "send it from one of the key's networks",
    "authz.require": "send what is missing, or with a key that has --networks; or ask for less in `require`",
    "authz.bounds": "use a key that is not kept to so little, or say in `resources` where the route tells it, or `any`",
    "abuse.address_denied": "take the address out of `client_ip.deny`, or into `client_ip.allow`",
    "abuse.quarantine": _BANNED,
    "abuse.ban": _BANNED,
    "request.bad_body": "send plain JSON, each name once, with what the route's `cost` or the scheme reads in it",
    "request.too_many_items": "send several requests, or raise `max` in the route's `cost`",
    "request.too_large": "send less, or raise `max_body`",
    "store.unavailable": "look at the shared store; what goes on without it is `store.on_failure`",
}


def remedy(denied: Deny) -> str:
    """What to do, empty where nothing is known that helps."""
    if not denied.code.startswith("limit."):
        return _BY_CODE.get(denied.code, "")
    name = denied.code.removeprefix("limit.")
    if denied.wait_ms is None:
        return f"lower the cost, or raise what limits.{name} holds"
    return f"wait {denied.wait_ms} ms, or raise limits.{name}"
