"""One locustfile a scenario. `loadtests/crowd/catalogue.py` says what each of them needs."""
