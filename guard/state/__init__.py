"""What is remembered between messages, behind small Protocols. No rule lives here but those about storing."""
