"""What the program says of itself: one event a decision, and the operator's log."""
