"""The admin API: the administrator's line over HTTP, on a listener of its own. No rule about keys lives here."""
