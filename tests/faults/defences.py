"""Which run misses which defence. `make faults KNOCKOUT=1` tries each."""

from tests.faults.knocking import Defence

_CHARGE = "guard/state/redis/lua/charge.lua"
_SHARD = "guard/state/redis/shard.py"

_A_NONCE_COUNTS_ONCE = ("if not repeats then", "if false then")
_THE_EPOCH = ("asked.latest <= epoch", "false")
_A_REPLICA_CONFIRMS = ("flight.confirmed = line.server.replicas > 0", "flight.confirmed = False")

DEFENCES = (
    Defence("one-nonce", _CHARGE, *_A_NONCE_COUNTS_ONCE),
    Defence("one-bucket", _CHARGE, "if has(entry, debit, holder, now) then", "if true then"),
    Defence("state-loss", _CHARGE, *_THE_EPOCH),
    Defence("state-loss", _SHARD, "flight.fail(TIMED_OUT)", "pass"),
    Defence("state-loss", _SHARD, "self._fail(_LOST)", "pass"),
    Defence("failover", _CHARGE, *_THE_EPOCH),
    Defence("failover", _SHARD, *_A_REPLICA_CONFIRMS),
    Defence("storm", _CHARGE, *_A_NONCE_COUNTS_ONCE),
)
