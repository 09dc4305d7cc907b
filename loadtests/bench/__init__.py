"""What a request costs: guard beside other gateways, and what refusing costs. `make bench` runs `run.py`."""
