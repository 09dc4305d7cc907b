"""The commands of `guard`. Each module holds one; `main.py` names them and imports the one that is run."""
