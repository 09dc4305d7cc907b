"""The policy decision point: pure functions from a stage to the next stage or a Deny. No await, clock or socket."""
