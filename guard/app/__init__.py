"""Where long-lived objects are made, once, and joined."""
