"""Which run misses which defence: a condition of the program, and the run that does not hold without it."""

import msgspec


class Defence(msgspec.Struct, frozen=True):
    """The condition stands on the one line of the file that contains the clue. `always`: it admits when it holds."""

    run: str
    file: str
    clue: str
    always: bool = False


_CHARGE = "guard/state/redis/lua/charge.lua"
_SHARD = "guard/state/redis/shard.py"

DEFENCES = (
    Defence("one-nonce", _CHARGE, "if not repeats then"),
    Defence("one-bucket", _CHARGE, "if has(entry, debit, holder, now) then", always=True),
    Defence("state-loss", _CHARGE, "asked.latest <= epoch"),
    Defence("failover", _CHARGE, "asked.latest <= epoch"),
    Defence("storm", _SHARD, "knockout: unconfirmed"),
)
