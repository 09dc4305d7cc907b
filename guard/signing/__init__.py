"""What was signed, and does it verify: schemes as data, the template engine, algorithms, Content-Digest."""
