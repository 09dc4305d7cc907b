"""`guard explain` of a request that could be sent, and of one that was."""

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli.explain import app

_POLICY = """\
version: 1
service: exchange
upstream: http://127.0.0.1:8081
routes: {POST /v1/orders: {scope: trade}}
"""
_OTHER = """\
version: 1
service: other
match: {hosts: [other.test]}
upstream: http://127.0.0.1:8081
routes: {GET /x: {auth: none}}
"""


def _ran(tmp_path: Path, *arguments: str) -> Result:
    (tmp_path / "policies").mkdir(exist_ok=True)
    (tmp_path / "policies" / "exchange.yaml").write_text(_POLICY)
    (tmp_path / "policies" / "other.yaml").write_text(_OTHER)
    return CliRunner().invoke(app, [*arguments, "--policies", str(tmp_path / "policies")])


def test_a_request_that_could_be_sent_is_explained_line_by_line(tmp_path: Path) -> None:
    ran = _ran(tmp_path, "POST", "/v1/orders", "--as", "key=k9,scopes=read+trade,ip=203.0.113.9", "--body", '{"a":1}')
    assert ran.exit_code == 0
    assert ran.output.startswith("ALLOW 200")
    assert "policy exchange@" in ran.output
    assert "k9  account=account of k9" in ran.output
    assert "203.0.113.9" in ran.output


def test_one_that_is_refused_says_where_and_what_to_do(tmp_path: Path) -> None:
    ran = _ran(tmp_path, "POST", "/v1/orders", "--as", "scopes=read")
    assert ran.exit_code == 0
    assert ran.output.startswith("DENY 403 authz.scope")
    assert "exchange.yaml:4   ◀ decided here" in ran.output
    assert "  try: give a key that scope" in ran.output
    unsigned = _ran(tmp_path, "POST", "/v1/orders", "--unsigned")
    assert unsigned.output.startswith("DENY 401 auth.missing")


def test_a_key_may_be_kept_to_resources(tmp_path: Path) -> None:
    text = _POLICY.replace("routes: {", "resources: {symbol: {field: /symbol}}\nroutes: {")
    (tmp_path / "kept.yaml").write_text(text)
    asked = ("POST", "/v1/orders", "--policies", str(tmp_path / "kept.yaml"), "--body", '{"symbol": "BTC-USD"}', "--as")
    decided = [
        CliRunner().invoke(app, [*asked, f"scopes=trade,only.symbol={values}"]).output.split()[:3]
        for values in ("BTC-USD", "ETH-USD+BTC-USD", "ETH-USD")
    ]
    assert decided == [["ALLOW", "200", "policy"]] * 2 + [["DENY", "403", "authz.bounds"]]


def test_it_finds_the_service_that_has_the_route(tmp_path: Path) -> None:
    assert "policy other@" in _ran(tmp_path, "GET", "/x").output
    assert _ran(tmp_path, "GET", "/nowhere").output.startswith("DENY 404 route.unknown")
    assert _ran(tmp_path, "GET", "/x", "-H", "Host: third.test").output.startswith("DENY 404 route.unknown")


def test_a_program_gets_json(tmp_path: Path) -> None:
    told = json.loads(_ran(tmp_path, "POST", "/v1/orders", "--as", "scopes=read", "--format", "json").output)
    assert (told["decision"], told["reason"], told["status"]) == ("deny", "authz.scope", 403)
    assert [line["subject"] for line in told["lines"] if line["decided"]] == ["scope"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("POST",),
        ("POST", "/v1/orders", "extra"),
        ("POST", "/v1/orders", "--as", "nobody"),
        ("POST", "/v1/orders", "--as", "colour=red"),
        ("POST", "/v1/orders", "--as", "ip=here"),
        ("POST", "/v1/orders", "--as", "only=symbol"),
        ("POST", "/v1/orders", "--as", "only.=BTC-USD"),
        ("POST", "/v1/orders", "--as", "scheme=binance"),
        ("req_1", "--log", "nowhere.jsonl"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert _ran(tmp_path, *arguments).exit_code == 2


def test_an_invalid_policy_ends_with_code_3(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\n")
    ran = CliRunner().invoke(app, ["GET", "/", "--policies", str(tmp_path)])
    assert ran.exit_code == 3


def test_a_decision_of_the_log_is_explained_by_its_id(tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    lines = [
        {"ts": "t", "id": "req_1", "decision": "allow", "status": 200, "ip": "192.0.2.9"},
        {"ts": "t", "id": "req_2", "decision": "deny", "reason": "limit.key", "status": 429, "service": "exchange"},
    ]
    log.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines) + '{"id":"req_2"')
    ran = _ran(tmp_path, "req_2", "--log", str(log))
    assert ran.exit_code == 0
    assert ran.output.startswith("DENY 429 limit.key")
    assert "limit.key    DENY" in ran.output
    zipped = tmp_path / "decisions.jsonl.gz"
    zipped.write_bytes(gzip.compress(log.read_bytes()))
    assert _ran(tmp_path, "req_2", "--log", str(zipped)).output == ran.output
    piped = CliRunner().invoke(
        app, ["req_2", "--log", "-", "--policies", str(tmp_path / "policies")], input=log.read_bytes()
    )
    assert piped.output == ran.output
    absent = _ran(tmp_path, "req_3", "--log", str(log))
    assert (absent.exit_code, absent.output) == (1, f"error: {log} has no decision req_3\n")


def test_the_log_is_that_of_the_settings_if_it_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "decisions.jsonl"
    log.write_text('{"ts":"t","id":"req_1","decision":"allow","status":200}\n')
    assert _ran(tmp_path, "req_1").exit_code == 2
    monkeypatch.setenv("GUARD_DECISION_LOG", str(log))
    assert _ran(tmp_path, "req_1").output.startswith("ALLOW 200")
