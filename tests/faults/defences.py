"""Which run misses which defence: a condition of the program, and the run that does not hold without it."""

import msgspec


class Defence(msgspec.Struct, frozen=True):
    """The condition stands on the one line of the file that contains the clue."""

    run: str
    file: str
    clue: str


_CHARGE = "guard/state/redis/lua/charge.lua"
_SHARD = "guard/state/redis/shard.py"

DEFENCES = (
    Defence("one-nonce", _CHARGE, "if not repeats then"),
    Defence("one-bucket", _CHARGE, "if debit.units > entry.level then"),
    Defence("state-loss", _CHARGE, "asked.latest <= epoch"),
    Defence("failover", _CHARGE, "asked.latest <= epoch"),
    Defence("storm", _SHARD, "knockout: unconfirmed"),
)
