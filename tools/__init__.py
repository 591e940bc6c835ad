"""The catalog's tools: each module runs as a file and with ``python -m``."""
