"""A crowd of traders before a gateway: who they are, what they ask, what was seen, and whether that is good enough."""
