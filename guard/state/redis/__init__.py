"""The store that many gateways share: nonces, meters and tombstones in Redis 7 (or Valkey), asked by Lua scripts."""
