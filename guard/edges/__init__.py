"""What holds a client's socket: decoding into Facts, and answering. No rule lives here."""
