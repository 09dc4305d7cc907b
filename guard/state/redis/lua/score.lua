-- Who does what how often, and what it comes to: many sightings in one call, one after the other.
--
-- Why it is right. It is `guard/state/scores.py` and `guard/state/scoring.py` line by line, in integers that doubles
-- hold exactly: a level is at most 1e7 and a fraction 65,536, a share of a window at most 1e7 x 2^27, and what a
-- ratio multiplies at most 2e7 and 1e6. Time is this server's, whatever the nodes' clocks say. A sighting is counted in the call that asks, and no call is sent twice.
--
-- Different values are a sorted set of their own, by when each came last. It belongs to the count in the entry that it
-- stands beside: where that is missing, forgotten or of another kind, the set is deleted before it is used.

local UNIT, LEVEL_MAX, TICKS, HALVES_MAX, FORGET_HALF_LIVES, REQUESTS_KEPT, WIDER_SHARE = 1000, 1e7, 64, 32, 14, 8, 4
local COUNT_MAX = 1e7
local room = tonumber(ARGV[5])

-- Forget of a crowd the two that were over first, if any is.
local function sweep(crowd)
  local over = redis.call('ZRANGE', crowd, '-inf', clock, 'BYSCORE', 'LIMIT', 0, 2)
  if #over > 0 then redis.call('ZREM', crowd, unpack(over)) end
end

-- Where it is counted: in the subject's own entry, or in that of the narrowest network around it that has one or gets
-- one. The widest always does.
local function place(asked)
  local forget_at = clock + max(asked.over, FORGET_HALF_LIVES * asked.half_life)
  for width, index in ipairs(asked.names) do
    local known, crowd, member = subject(index), KEYS[FIRST_CROWD + width - 1], KEYS[index] .. asked.field
    local entry, widest = known.entries[asked.field], width == #asked.names
    if entry and entry.forget_at <= clock then entry = nil end
    local open = not entry and widest
    if not entry and not widest then
      redis.call('ZREM', crowd, member)
      sweep(crowd)
      open = redis.call('ZCARD', crowd) < floor(room / WIDER_SHARE ^ (width - 1))
    end
    if open then
      entry = {at = clock, begun = clock, forget_at = 0, level = 0, counts = {}, signals = {}, requests = {}}
      known.entries[asked.field] = entry
    end
    if entry then
      known.changed = true
      if forget_at > entry.forget_at then
        entry.forget_at = forget_at
        if not widest then
          redis.call('ZADD', crowd, forget_at, member)
          expire(crowd, forget_at)
        end
      end
      return width, entry
    end
  end
end

-- So many more of a count: how many there are within the time that slides.
local function more(count, amount, over)
  local window, elapsed = floor(clock / over), clock % over
  if window > count[1] then
    count[3] = window == count[1] + 1 and count[2] or 0
    count[1], count[2] = window, 0
  end
  count[2] = math.min(COUNT_MAX, count[2] + amount)
  local share = count[3] * (over - elapsed)
  return count[2] + (share + -share % over) / over
end

-- One event more: whether there were enough of them.
local function enough_events(asked, counts)
  local count = counts[asked.signal]
  if type(count) ~= 'table' or type(count[1]) == 'table' then
    count = {0, 0, 0}
    counts[asked.signal] = count
  end
  if more(count, 1, asked.over) < asked.at_least then return false end
  count[2], count[3] = 0, 0
  return true
end

-- One event more, or so many of its counterparts: whether there were enough, and too many for their counterparts.
local function enough_for_others(asked, counts)
  local beside = counts[asked.signal]
  if type(beside) ~= 'table' or type(beside[1]) ~= 'table' then
    beside = {{0, 0, 0}, {0, 0, 0}}
    counts[asked.signal] = beside
  end
  local events, others = beside[1], beside[2]
  if asked.others >= 0 then
    more(others, asked.others, asked.over)
    return false
  end
  local found = more(events, 1, asked.over)
  if found < asked.at_least then return false end
  if found * asked.ratio[2] <= more(others, 0, asked.over) * asked.ratio[1] then return false end
  events[2], events[3], others[2], others[3] = 0, 0, 0, 0
  return true
end

-- The same of different values. There are never more than are asked for.
local function enough_values(asked, counts, width)
  local key = KEYS[asked.seen[width]]
  if counts[asked.signal] ~= true then
    counts[asked.signal] = true
    redis.call('DEL', key)
  end
  redis.call('ZADD', key, clock, asked.value)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', clock - asked.over)
  if redis.call('ZCARD', key) < asked.at_least then
    expire(key, clock + asked.over)
    return false
  end
  redis.call('DEL', key)
  return true
end

local function decay(entry, half_life)
  local tick = max(1, floor(half_life / TICKS))
  local ticks = floor(max(0, clock - entry.at) / tick)
  local halves, rest = floor(ticks / TICKS), ticks % TICKS
  local fraction = floor(65536 * 2 ^ (-rest / TICKS) + 0.5)
  if ticks > 0 then
    entry.level = halves >= HALVES_MAX and 0 or floor(floor(entry.level / 2 ^ halves) * fraction / 65536)
    entry.at = entry.at + ticks * tick
  end
end

-- As which name it was counted, the points that follow, and what they come of; nil if no signal fired.
local function counted(asked)
  local width, entry = place(asked)
  if asked.at_least > 1 then
    local enough = #asked.seen > 0 and enough_values or #asked.ratio > 0 and enough_for_others or enough_events
    if not enough(asked, entry.counts, width) then return nil end
  end
  decay(entry, asked.half_life)
  entry.level = math.min(LEVEL_MAX, entry.level + asked.points * UNIT)
  entry.signals[asked.signal] = (entry.signals[asked.signal] or 0) + 1
  local requests = entry.requests
  requests[#requests + 1] = asked.request
  if #requests > REQUESTS_KEPT then table.remove(requests, 1) end
  return width, floor(entry.level / UNIT), entry.signals, requests
end

local raised = {}
for number, asked in ipairs(cmsgpack.unpack(ARGV[4])) do
  local width, points, signals, requests = counted(asked)
  if width then raised[#raised + 1] = cmsgpack.pack({number - 1, width - 1, points, signals, requests}) end
end
keep_subjects()
return pack('>BI4', 221, #raised) .. table.concat(raised) -- the head of an array, so that each is packed as it was
