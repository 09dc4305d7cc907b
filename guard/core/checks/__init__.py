"""The checks, one small file a subject. Each is a statement that must be true; their order is `core/pipeline.py`."""
