-- This server's time, and nothing else: for a node that wants to know whether its own clock is right.

return pack('<d', clock)
