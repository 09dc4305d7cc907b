"""Which run misses which defence. `make faults KNOCKOUT=1` tries each."""

from tests.faults.knocking import Defence

_CHARGE = "guard/state/redis/lua/charge.lua"
_DIRECTORY = "guard/state/directory.py"
_FORCE = "guard/service/enforcement.py"
_SHARE = "guard/state/share.py"
_SHARD = "guard/state/redis/shard.py"

_A_NONCE_COUNTS_ONCE = ("if not repeats then", "if false then")
_THE_EPOCH = ("latest <= epoch", "false")
_A_REPLICA_CONFIRMS = ("flight.confirmed = line.server.replicas > 0", "flight.confirmed = False")

DEFENCES = (
    Defence("one-nonce", _CHARGE, *_A_NONCE_COUNTS_ONCE),
    Defence("one-bucket", _CHARGE, "if has(entry, debit, holder, now) then", "if true then"),
    Defence("state-loss", _CHARGE, *_THE_EPOCH),
    Defence("state-loss", _SHARD, "flight.fail(TIMED_OUT)", "pass"),
    Defence("state-loss", _SHARD, "self._fail(_LOST)", "pass"),
    Defence("failover", _CHARGE, *_THE_EPOCH),
    Defence("failover", _SHARD, *_A_REPLICA_CONFIRMS),
    Defence(
        "flaps", _SHARE, "self._lost_at, self._processes = now, processes", "self._lost_at, self._processes = now, 1"
    ),
    Defence("flaps", _SHARE, "if begun is None or charge.now >= begun.full_at:", "if True:"),
    Defence("revocation", _FORCE, "behind = [each for each in alive if each.revision < revision]", "behind = []"),
    Defence("revocation", _DIRECTORY, "if self.is_older_than(self._lease_ms, now):", "if False:"),
    Defence("storm", _CHARGE, *_A_NONCE_COUNTS_ONCE),
)
