-- What the two questions about scores share: what is known of a subject, in one value, packed by cmsgpack.
--
-- Why it is right. A subject (an address or a network, a key, an account) has one value, with an entry for each service
-- that watches it and each kind of score: whoever lifts a ban begins them all anew. It is only evidence, and decides on
-- no message: a value that cannot be read is one of which nothing is known. It expires when all its entries are over.
--
-- An entry that is over counts as none even while its value lives, so that what is answered does not depend on what
-- was swept when. KEYS 2 to 4 are the crowds of this partition, the narrowest first: which entries there are, and
-- when each is over, so that there are never more than so many.

local CROWDS, FIRST_CROWD = 3, 2

local function expire(key, last)
  local at = max(last + 1 + real - clock, 1)
  if redis.call('PEXPIREAT', key, at, 'GT') == 0 then redis.call('PEXPIREAT', key, at, 'NX') end
end

local subjects = {}
local function subject(index)
  local known = subjects[index]
  if known then return known end
  local readable, entries = pcall(cmsgpack.unpack, held[index] or '\128')
  if not readable or type(entries) ~= 'table' then entries = {} end
  known = {entries = entries, changed = false}
  subjects[index] = known
  return known
end

local function keep_subjects()
  for index, known in pairs(subjects) do
    if known.changed then
      local last = 0
      for _, entry in pairs(known.entries) do last = max(last, entry.forget_at) end
      if next(known.entries) then
        store(KEYS[index], cmsgpack.pack(known.entries), last - 1)
      else
        redis.call('DEL', KEYS[index])
      end
    end
  end
end
