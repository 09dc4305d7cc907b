-- What both questions share: the clock, the epoch, and the packed value in which everything that a subject has is kept.
--
-- Why it is right. Redis runs one script at a time, from its first line to its last, so no other question comes between
-- the asking and the spending. Every key that is read or written is declared in KEYS, and all keys of one call carry the
-- same hash tag, so that a Cluster runs the call on one node or not at all.
--
-- Time is this server's TIME (a test gives one in ARGV[1]), and for a subject never earlier than what its value has
-- seen. Numbers are doubles that hold integers: a level is tokens x period_ms, at most 10,000,000 x 86,400,000 =
-- 8.64e14; a product of two periods is at most 7.5e15, and so is elapsed x tokens of a quota by the calendar; doubles are
-- exact to 2^53 = 9.0e15. The one product that can be larger, elapsed x refill of a bucket that was left alone for long,
-- is more than any capacity then, and rounding does not make it less.
--
-- A value is a head (the last time it was charged, and from when on nothing in it need be remembered) and entries of one
-- size: id, amount, time, capacity, rate, period. An entry is found by its eight bytes at C speed, and nothing but what
-- is asked for is unpacked. The period tells the kinds apart: a bucket's is positive (amount and capacity are levels,
-- rate is its refill), a quota's negative (amount is what was spent, rate is since when that is known), and slots and
-- tombstones have none. Who holds a slot till when is a sorted set of its own, for there may be hundreds; the entry
-- only says that the meter is of that kind. What each kind does in each case is `guard/state/holdings.py`, line by line.
--
-- What a charge costs is Lua's calls of functions, each some hundredth of it: what every message needs is asked in few.
--
-- A value expires when everything in it is as if nobody remembered it: a full bucket, a quota whose period is over. Who
-- is not remembered holds what refill since the epoch allows, and that is no less.
--
-- The epoch is when this server's memory begins, kept beside the server's run id. Where the key is missing (emptied,
-- replaced) or names another run (restarted, promoted), memory begins now, and not before the latest time that any
-- server told the caller. What was signed before it is nothing that can be judged.

local HEAD, ENTRY, NEVER = 16, 48, 1e15
local read, pack, find, sub, floor, max = struct.unpack, struct.pack, string.find, string.sub, math.floor, math.max
local format = string.format

local seconds = redis.call('TIME')
local real = seconds[1] * 1000 + floor(seconds[2] / 1000)
local clock = ARGV[1] == '' and real or tonumber(ARGV[1])

local held = redis.call('MGET', unpack(KEYS))
local epoch
local run = ARGV[2] .. ' '
if held[1] and sub(held[1], 1, #run) == run then
  epoch = tonumber(sub(held[1], #run + 1))
else
  epoch = max(clock, tonumber(ARGV[3]))
  redis.call('SET', KEYS[1], run .. string.format('%.0f', epoch))
end

-- SET, to be gone after `last` on the clock that decides; expiry itself follows the server's own. (The time is written
-- here, because Redis writes a number with seventeen digits, which takes it half as long as to SET.)
local function store(key, value, last, condition)
  if last >= NEVER then return redis.call('SET', key, value) end
  local at = last + 1 + real - clock
  at = format('%d', at > 1 and at or 1)
  if condition then return redis.call('SET', key, value, 'PXAT', at, condition) end
  return redis.call('SET', key, value, 'PXAT', at)
end

-- The value of a subject, opened once a call. (Tables are made with all their fields at once: growing one costs more
-- than all that is done with it.) MGET cannot tell a key of another type from a missing one, so GET is asked.
local values = {}
local function opened(index)
  local value = values[index]
  if value then return value end
  local text = held[index]
  if not text then text = redis.pcall('GET', KEYS[index]) end
  local at, last, unusable = 0, 0, false
  if type(text) ~= 'string' then
    text, unusable = '', text and true
  elseif #text < HEAD or (#text - HEAD) % ENTRY ~= 0 then
    unusable = true
  else
    at, last = read('<dd', text)
  end
  value = {index = index, entries = {}, text = text, at = at, last = last, unusable = unusable, changed = false}
  values[index] = value
  return value
end

local function position(value, id)
  if value.text == '' then return nil end
  local from = HEAD + 1
  while true do
    local at = find(value.text, id, from, true)
    if not at then return nil end
    if (at - HEAD - 1) % ENTRY == 0 then return at end
    from = at + 1
  end
end

local BUCKET, QUOTA, SLOTS = 1, 2, 3

local function begin(now, period)
  return now - now % period
end

-- level x new / old rounded down, without a product above old x new.
local function rescaled(level, old, new)
  local whole = floor(level / old)
  return whole * new + floor((level - whole * old) * new / old)
end

local function kind_of(entry)
  return entry.period > 0 and BUCKET or entry.period < 0 and QUOTA or SLOTS
end

local function settle(entry, now)
  if entry.period > 0 then
    if now > entry.at then
      entry.amount = entry.amount + (now - entry.at) * entry.rate
      entry.at = now
    end
    if entry.amount > entry.capacity then entry.amount = entry.capacity end
  elseif entry.period < 0 and now > entry.at then
    if entry.at < begin(now, -entry.period) then entry.amount = 0 end
    entry.at = now
  end
end

-- One of which nothing is known but what can have come back since `since`.
local function open(entry, debit, since, now)
  entry.capacity, entry.period, entry.amount, entry.at = debit.capacity, debit.period, 0, now
  if debit.kind == BUCKET then
    entry.rate, entry.at = debit.rate, since
  elseif debit.kind == QUOTA then
    entry.rate = since
  else
    entry.rate = 0
  end
end

local function is_as(entry, debit)
  return entry.period == debit.period and entry.capacity == debit.capacity
    and (debit.kind ~= BUCKET or entry.rate == debit.rate)
end

-- Count by an edited rule. A bucket's tokens are counted anew by the new period, and the time in between refills at the
-- slower of the two rates, because nobody knows when in it the change came.
local function adopt(entry, debit, now)
  if kind_of(entry) ~= debit.kind then
    open(entry, debit, now, now)
    settle(entry, now)
  elseif debit.kind == BUCKET then
    local old_is_slower = entry.rate * debit.period <= debit.rate * entry.period
    if not old_is_slower then
      entry.amount = rescaled(entry.amount, entry.period, debit.period)
      entry.capacity, entry.rate, entry.period = debit.capacity, debit.rate, debit.period
    end
    settle(entry, now)
    if old_is_slower then
      entry.amount = rescaled(entry.amount, entry.period, debit.period)
      entry.capacity, entry.rate, entry.period = debit.capacity, debit.rate, debit.period
    end
    settle(entry, now)
  elseif debit.kind == QUOTA then
    settle(entry, now)
    if entry.period ~= debit.period then entry.rate = max(entry.rate, begin(now, -entry.period)) end
    entry.capacity, entry.period = debit.capacity, debit.period
  else
    entry.capacity = debit.capacity
  end
end

local function unpacked(text, place)
  local id, amount, at, capacity, rate, period = read('<c8ddddd', text, place)
  return {
    id = id, amount = amount, at = at, capacity = capacity, rate = rate, period = period, place = place, changed = false,
  }
end

local function change(value, entry)
  value.changed, entry.changed = true, true
end

-- The entry of a debit as it is at `now`; one that nobody remembers began at the epoch.
local function settled(value, debit, now)
  local entry = value.entries[debit.id]
  if not entry then
    local at = position(value, debit.id)
    if at then
      entry = unpacked(value.text, at)
    else
      entry = {id = debit.id, amount = 0, at = 0, capacity = 0, rate = 0, period = 0, place = false, changed = false}
      open(entry, debit, epoch, now)
    end
    value.entries[debit.id] = entry
  end
  if is_as(entry, debit) then
    settle(entry, now)
  else
    adopt(entry, debit, now)
    change(value, entry)
  end
  return entry
end

-- When an entry is as if nobody remembered it.
local function forget_at(entry)
  if entry.period == 0 then return entry.at end -- a lease's end, or a tombstone's
  if entry.period < 0 then return begin(entry.at, -entry.period) - entry.period end
  if entry.amount >= entry.capacity then return entry.at end
  if entry.rate == 0 then return NEVER end
  return entry.at - floor((entry.amount - entry.capacity) / entry.rate)
end

-- What need not be remembered is dropped, each time that sixteen more were added: keys and routes come and go.
local function swept(entries, now)
  local kept = {}
  for at = 1, #entries, ENTRY do
    local entry = unpacked(entries, at)
    settle(entry, now)
    if forget_at(entry) > now then kept[#kept + 1] = sub(entries, at, at + ENTRY - 1) end
  end
  return table.concat(kept)
end

local function save()
  for _, value in pairs(values) do
    if value.changed then
      local text, last, at, added = value.text, value.last, value.at, false
      if text == '' then text = string.rep('\0', HEAD) end
      for _, entry in pairs(value.entries) do
        if entry.changed then
          local body = pack('<c8ddddd', entry.id, entry.amount, entry.at, entry.capacity, entry.rate, entry.period)
          if entry.place then
            text = sub(text, 1, entry.place - 1) .. body .. sub(text, entry.place + ENTRY)
          else
            text, added = text .. body, true
          end
          local ends = forget_at(entry)
          if ends > last then last = ends end
          if entry.period ~= 0 and entry.at > at then at = entry.at end
        end
      end
      text = sub(text, HEAD + 1)
      if added and #text % (16 * ENTRY) == 0 then text = swept(text, at) end
      store(KEYS[value.index], pack('<dd', at, last) .. text, last)
    end
  end
end

-- The next debit of the questions in ARGV[4].
local function debit_at(text, at)
  local value, leases, vetoes, kind, id, cost, spare, capacity, rate, period, after = read('<HHBBc8ddddd', text, at)
  return {
    value = value, leases = leases, vetoes = vetoes == 1, kind = kind, id = id, cost = cost, spare = spare,
    capacity = capacity, rate = rate, period = period,
  }, after
end
