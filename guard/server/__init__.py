"""The doorstep: what accepts connections and speaks HTTP/1.1 to clients. Knows no policy."""
