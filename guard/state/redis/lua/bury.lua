-- A tombstone: until a time, no charge of this key is granted, whatever a node may still believe of it.
--
-- Why it is right. It stands in the value that every charge of the account reads, so no charge that begins after this
-- call can miss it. It is an entry without a meter: its level is the time it ends, a later end stands, and the value
-- lives at least as long.

local value = opened(2)
if value.unusable then return redis.error_reply('WRONGTYPE the value of an account is none') end
local id, last = ARGV[4], tonumber(ARGV[5])
local at = position(value, id)
if at then last = max(last, (read('<d', value.text, at + 8))) end
local text = value.text == '' and string.rep('\0', HEAD) or value.text
local body = pack('<c8ddddd', id, last, last, 0, 0, 0)
if at then
  text = sub(text, 1, at - 1) .. body .. sub(text, at + ENTRY)
else
  text = text .. body
end
last = max(last, value.last)
store(KEYS[2], pack('<dd', value.at, last) .. sub(text, HEAD + 1), last)
return pack('<d', epoch)
