"""What Redis does in one step. Each comes to the same when it is run again, because its first answer was lost.

KEYS[1] is the session, and KEYS[2], where it is somebody's, the list of that user's sessions: a sorted set, by the
server's time at which each is surely over. It ends itself with the last of them.
"""

from __future__ import annotations

from demijohn.sessions.stores.redis_server import Script

# In front of each script that needs it: Redis has libraries of functions only since version 7.
_ENTER = """
local function enter(index, id, ttl)
  local now = tonumber(redis.call('TIME')[1])
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
  redis.call('ZADD', index, now + ttl + 1, id)
  redis.call('EXPIREAT', index, redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2])
end
"""
ADD = Script(
    _ENTER
    + """
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then
  return redis.call('GETRANGE', KEYS[1], 0, 48) == string.sub(ARGV[1], 1, 49) and 1 or 0
end
if KEYS[2] then enter(KEYS[2], ARGV[3], ARGV[2]) end
return 1
"""
)
REPLACE = Script(
    _ENTER
    + """
local there = redis.call('GETRANGE', KEYS[1], 0, 48)
if there == string.sub(ARGV[1], 1, 49) then return 1 end
if there ~= ARGV[4] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
if KEYS[2] then enter(KEYS[2], ARGV[3], ARGV[2]) end
return 1
"""
)
TOUCH = Script(
    _ENTER
    + """
if redis.call('GETRANGE', KEYS[1], 0, 48) ~= ARGV[4] then return 0 end
redis.call('SETRANGE', KEYS[1], 50, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
if KEYS[2] then enter(KEYS[2], ARGV[3], ARGV[2]) end
return 1
"""
)
DELETE = Script("""
local owner = redis.call('GETRANGE', KEYS[1], 17, 48)
local found = redis.call('DEL', KEYS[1])
if found == 1 and #owner == 32 then redis.call('ZREM', ARGV[1] .. owner, ARGV[2]) end
return found
""")
DELETE_ALL = Script("""
local found = 0
for i = 1, #ARGV do
  found = found + redis.call('DEL', KEYS[i + 1])
  redis.call('ZREM', KEYS[1], ARGV[i])
end
return found
""")
LOCK = Script("""
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return 1 end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
""")
UNLOCK = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")
