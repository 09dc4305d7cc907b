-- What a granted charge took, given back, or a part of it; or only its slots, because its exchange is over. A part of
-- less than nothing is taken instead: it has cost more than it took, and if that is not there, the meter owes it.
--
-- Why it is right. The claim says what was granted under which charge id, and a mark in it says that it was given back:
-- both are read and written in this call, so it happens once. Only what the claim says was taken is added, to what the
-- meter holds now, and never above its capacity; what a quota lost in a period that is over, or before it is known, is
-- gone. What is not remembered lacks nothing, but must be remembered to owe. The message stays seen. A slot is its
-- holder's, by the charge's id, so that ending a lease twice ends nobody else's.

local GRANTED, READING = 1, 17

local function refund(entry, debit, taken_at)
  if debit.kind == BUCKET then
    entry.amount = math.min(entry.amount + debit.cost, entry.capacity)
  elseif taken_at >= max(entry.rate, begin(entry.at, -entry.period)) then
    entry.amount = max(entry.amount - debit.cost, 0)
  end
end

local function give_back(claim_index, id, debits)
  local text = held[claim_index]
  if not text or #text < 28 then return end
  local status, _, _, _, _, now_then, claim_id, at = read('<BBBdddBc0', text)
  local _, mark = read('<Bc0', text, at)
  if status ~= GRANTED or claim_id ~= id or string.byte(text, mark) ~= 0 then return end
  for number, debit in ipairs(debits) do
    local value = opened(debit.value)
    local taken = string.byte(text, mark + 1 + (number - 1) * READING) == 1
    local given = not value.unusable and taken and debit.kind ~= SLOTS
    local entry = given and value.entries[debit.id]
    local at = given and not entry and position(value, debit.id)
    if at then entry = unpacked(value.text, at) end
    if given and (entry and kind_of(entry) == debit.kind or not entry and debit.cost < 0) then
      entry = settled(value, debit, max(clock, value.at))
      refund(entry, debit, now_then)
      change(value, entry)
    end
  end
  text = sub(text, 1, mark - 1) .. '\1' .. sub(text, mark + 1)
  redis.call('SET', KEYS[claim_index], text, 'KEEPTTL')
  held[claim_index] = text
end

local text, at = ARGV[4], 1
while at <= #text do
  local claim, tokens, count, id, debits = nil, nil, nil, nil, {}
  claim, tokens, count, id, at = read('<HBBBc0', text, at)
  for number = 1, count do
    debits[number], at = debit_at(text, at)
  end
  if tokens == 1 then give_back(claim, id, debits) end
  for _, debit in ipairs(debits) do
    if debit.kind == SLOTS then redis.call('ZREM', KEYS[debit.leases], id) end
  end
end
save()
return pack('<d', epoch)
