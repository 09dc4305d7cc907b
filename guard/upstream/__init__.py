"""The room that holds a backend's socket: an HTTP/1.1 pool on httptools, and the one way to forward an Allow."""
