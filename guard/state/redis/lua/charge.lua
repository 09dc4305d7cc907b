-- Is this message fresh, and is there room for it? Asked and spent for many messages in one call, one after the other.
--
-- Why it is right. A claim is the message's own key (its identity; the charge's id where it has none), and its value
-- carries the id of the charge that was answered, the answer, and the readings: whoever asks again with that id gets the
-- same answer and takes nothing; whoever asks with another finds it seen. A claim is written before anything else of its
-- charge is, only where there was none (NX) or where it was read in this very call, and it outlives every window that
-- the message could pass. Vetoing debits are taken all or none: levels change in this script's memory, are put back if
-- one is too low, and are written once at the end. Whatever fails raises an error before anything was answered: then
-- nobody is admitted, and what was written has cost and not granted.

local GRANTED, SHORT, REPLAYED, BEFORE_EPOCH, REVOKED, UNUSABLE = 1, 2, 3, 4, 5, 6
local CLAIM_MS = 60000

local function said(status, now, rest)
  return pack('<Bd', status, now) .. rest
end

-- How many hold a slot at `now`, and whether this one does.
local function leases(debit, holder, now)
  local key = KEYS[debit.leases]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  return redis.call('ZCARD', key), redis.call('ZSCORE', key, holder) and true or false
end

local function lease(debit, holder, last)
  local key = KEYS[debit.leases]
  local at = max(last + 1 + real - clock, 1)
  redis.call('ZADD', key, last, holder)
  redis.call('PEXPIREAT', key, at, 'GT')
  redis.call('PEXPIREAT', key, at, 'NX')
end

-- How many tokens of a quota can be spent.
local function left(entry, now)
  local tokens = entry.capacity
  if entry.rate > begin(now, -entry.period) then tokens = floor((now - entry.rate) * tokens / -entry.period) end
  return max(tokens - entry.amount, 0)
end

-- Whether the cost is there, and what must be spared for others beside it.
local function has(entry, debit, holder, now)
  if debit.kind == BUCKET then return debit.cost + debit.spare <= entry.amount end
  if debit.kind == QUOTA then return debit.cost + debit.spare <= left(entry, now) end
  local count, mine = leases(debit, holder, now)
  return mine or count + debit.spare < entry.capacity
end

local function spend(entry, cost)
  if entry.period > 0 then
    entry.amount = entry.amount - cost
  elseif entry.period < 0 then
    entry.amount = entry.amount + cost
  end
end

-- Whether it was taken, and how its meter stands: a bucket's level; what was spent of a quota and since when that is
-- known; how many hold a slot, and whether this one does.
local function reading(entry, debit, taken, holder, now)
  local first, second = entry.amount, entry.rate
  if debit.kind == SLOTS then
    local count, mine = leases(debit, holder, now)
    first, second = count, mine and 1 or 0
  end
  return pack('<Bdd', taken and 1 or 0, first, second)
end

-- Every vetoing debit or none; then those that do not veto, each if it fits.
local function take(debits, holder, hold, now)
  local entries, told, short, count = {}, '', nil, #debits
  for number = 1, count do
    local debit = debits[number]
    local entry = settled(values[debit.value], debit, now)
    entries[number] = entry
    if debit.vetoes and not short then
      if has(entry, debit, holder, now) then
        spend(entry, debit.cost)
      else
        short = number
      end
    end
  end
  if short then
    for number = 1, short - 1 do
      if debits[number].vetoes then spend(entries[number], -debits[number].cost) end
    end
  elseif hold > 0 then
    for number = 1, count do
      local debit, entry = debits[number], entries[number]
      if debit.kind == SLOTS and has(entry, debit, holder, now) then
        lease(debit, holder, now + hold)
        entry.at = max(entry.at, now + hold)
        change(values[debit.value], entry)
      end
    end
  end
  for number = 1, count do
    local debit, entry, taken = debits[number], entries[number], not short
    if taken and not debit.vetoes then
      taken = has(entry, debit, holder, now)
      if taken then spend(entry, debit.cost) end
    end
    if taken and debit.kind ~= SLOTS then change(values[debit.value], entry) end
    told = told .. reading(entry, debit, taken, holder, now)
  end
  return short and SHORT or GRANTED, told
end

-- What was spent while this server could not be asked: of each debit as many whole tokens as there are.
local function collect(debits, holder, now)
  local told = {}
  for number = 1, #debits do
    local debit, taken = debits[number], true
    local entry = settled(values[debit.value], debit, now)
    if debit.kind ~= SLOTS then
      local there = max(debit.kind == BUCKET and entry.amount or left(entry, now), 0)
      if debit.kind == BUCKET then there = there - there % entry.period end
      taken = debit.cost <= there
      spend(entry, math.min(debit.cost, there))
      change(values[debit.value], entry)
    end
    told[number] = reading(entry, debit, taken, holder, now)
  end
  return GRANTED, table.concat(told)
end

-- What a claim says, nil if there is none, false if it is nothing of ours.
local function claimed(index, now)
  local text = held[index]
  if not text then return nil end
  if #text < 28 then return false end
  local status, seen, repeatable, first_at, last, then_at, id, at = read('<BBBdddBc0', text)
  local binding, mark = read('<Bc0', text, at) -- the mark says whether it was given back; after it is what was told
  return {
    status = status, seen = seen == 1 and now <= last, repeatable = repeatable == 1, first_at = first_at, last = last,
    now = then_at, id = id, binding = binding, told = sub(text, mark + 1),
  }
end

local function answered(index, home, flags, tomb, latest, last, hold, id, binding, debits, now)
  local once, burns, repeatable, keyed, repaid = flags % 2 == 1, flags % 4 >= 2, flags % 8 >= 4, flags % 16 >= 8, flags >= 16
  if home and keyed and not repaid then
    local buried = position(home, tomb)
    if buried and now < read('<d', home.text, buried + 8) then return said(REVOKED, now, '') end
  end
  if once and not repaid and latest <= epoch then return said(BEFORE_EPOCH, now, pack('<d', epoch)) end
  local claim = claimed(index, now)
  if claim == false then return said(UNUSABLE, now, '') end
  if claim and claim.id == id then return said(claim.status, claim.now, claim.told) end
  local first_at, seen = now, burns
  if claim and claim.seen and not repaid then
    local repeats = claim.repeatable and repeatable and claim.binding == binding
    if not repeats then return said(REPLAYED, now, pack('<d', claim.first_at)) end
    first_at, last, seen = claim.first_at, claim.last, true
  end
  local status, told
  if repaid then
    status, told = collect(debits, id, now)
  else
    status, told = take(debits, id, hold, now)
  end
  seen = once and (seen or status == GRANTED)
  if not once then last = now + CLAIM_MS end
  local text = pack('<BBBdddBc0Bc0B', status, seen and 1 or 0, repeatable and 1 or 0, first_at, last, now,
    #id, id, #binding, binding, 0) .. told
  if not store(KEYS[index], text, last, not held[index] and 'NX' or nil) then
    error('WRONGTYPE a claim is held by something that is none')
  end
  held[index] = text
  return said(status, now, told)
end

local answers, text, at = {pack('<d', epoch)}, ARGV[4], 1
while at <= #text do
  local claim, index, flags, count, tomb, latest, last, hold, id, after = read('<HHBBc8dddBc0', text, at)
  local binding, debits, now, unusable, home = '', {}, clock, false, nil
  at = after
  if flags % 8 >= 4 then binding, at = read('<Bc0', text, at) end
  if index > 0 then
    home = opened(index)
    if home.at > now then now = home.at end
    unusable = home.unusable
  end
  for number = 1, count do
    local debit
    debit, at = debit_at(text, at)
    debits[number] = debit
    local value = debit.value == index and home or opened(debit.value)
    if value.at > now then now = value.at end
    unusable = unusable or value.unusable
  end
  answers[#answers + 1] = unusable and said(UNUSABLE, now, '')
    or answered(claim, home, flags, tomb, latest, last, hold, id, binding, debits, now)
end
save()
return table.concat(answers)
