"""Where pure meets I/O: the four lines of the program. No rule lives here; rules are asked for in `core/`."""
