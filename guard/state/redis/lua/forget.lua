-- The scores and counts of a subject begin anew: those that began until a time, when somebody lifted what came of them.
-- What began after it is another matter, so that it may be said again by each node, and much later.

local SUBJECT = FIRST_CROWD + CROWDS
local known, before = subject(SUBJECT), tonumber(ARGV[4])
for field, entry in pairs(known.entries) do
  if entry.begun <= before then
    known.entries[field], known.changed = nil, true
    for crowd = FIRST_CROWD, FIRST_CROWD + CROWDS - 1 do
      redis.call('ZREM', KEYS[crowd], KEYS[SUBJECT] .. field)
    end
  end
end
keep_subjects()
return pack('<d', epoch)
