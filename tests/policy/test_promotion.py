"""Which lines keep a rule from being enforced."""

from guard.policy.promotion import Edit, NotFound, Promotion, promotion_of

HEAD = "version: 1\nservice: exchange\nupstream: http://127.0.0.1:1\n"
ROUTES = "routes:\n  GET /v1/x: {scope: read}\n"


def promoted(text: str, rule: str, service: str | None = None) -> tuple[Promotion, ...] | NotFound:
    return promotion_of(
        {"policies/exchange.yaml": text.encode(), "policies/x.scheme.yaml": b"a: 1\n"}, rule, service, 1
    )


def test_the_mode_of_a_limit_is_the_one_word_to_change() -> None:
    text = HEAD + "limits:\n  weight: {per: [ip], rate: 5/s, mode: shadow}  # new\n" + ROUTES
    edit = Edit(
        "policies/exchange.yaml",
        5,
        "limits.weight.mode",
        "  weight: {per: [ip], rate: 5/s, mode: shadow}  # new",
        "  weight: {per: [ip], rate: 5/s, mode: enforce}  # new",
    )
    assert promoted(text, "limits.weight") == (Promotion("exchange", "limits.weight", "limit.weight", (edit,), 1),)


def test_what_is_shared_is_changed_where_it_is_written() -> None:
    text = f"{HEAD}limits: {{use: [weight]}}\n{ROUTES}"
    shared = "version: 1\nlimits:\n  weight: {per: [ip], rate: 5/s, mode: shadow}\n"
    files = {"policies/exchange.yaml": text.encode(), "policies/_shared.yaml": shared.encode()}
    found = promotion_of(files, "limits.weight", None, 1)
    assert isinstance(found, tuple)
    assert [(edit.file, edit.line) for edit in found[0].edits] == [("policies/_shared.yaml", 3)]


def test_section_and_file_keep_it_back_too() -> None:
    text = HEAD + "mode: 'shadow'\nlimits: {mode: shadow, weight: {per: [ip], rate: 5/s}}\n" + ROUTES
    found = promoted(text, "limits.weight")
    assert isinstance(found, tuple)
    assert [(edit.line, edit.place, edit.after) for edit in found[0].edits] == [
        (4, "mode", "mode: enforce"),
        (5, "limits.mode", "limits: {mode: enforce, weight: {per: [ip], rate: 5/s}}"),
    ]


def test_auth_is_kept_back_by_itself_alone_and_what_is_enforced_by_nothing() -> None:
    text = HEAD + "mode: shadow\nauth: {mode: shadow, allow_unauthenticated: true}\n" + ROUTES
    found = promoted(text, "auth")
    assert isinstance(found, tuple)
    assert [edit.place for edit in found[0].edits] == ["auth.mode"]
    assert found[0].code == "auth.*"
    enforced = promoted(HEAD + "client_ip: {deny: [192.0.2.0/24], mode: enforce}\n" + ROUTES, "client_ip")
    assert enforced == (Promotion("exchange", "client_ip", "abuse.address_denied", (), 1),)


def test_the_file_says_to_how_many_keys_it_may_deny_something() -> None:
    text = HEAD + "promotion: {keys_denied: 5%}\nclient_ip: {deny: [192.0.2.0/24]}\n" + ROUTES
    found = promoted(text, "client_ip")
    assert isinstance(found, tuple)
    assert found[0].percent == 5


def test_a_rule_that_there_is_not_is_told_with_those_that_there_are() -> None:
    text = HEAD + "limits: {mode: enforce, key: {per: [key], rate: 5/s}}\nclient_ip: {deny: [192.0.2.0/24]}\n" + ROUTES
    known = NotFound(("exchange: client_ip", "exchange: limits.key"))
    assert promoted(text, "limits.weight") == known
    assert promoted(text, "limits.mode") == known
    assert promoted(text, "limits.key", "other") == known
