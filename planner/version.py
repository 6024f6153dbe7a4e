"""The version that files and sheets name; the same as in pyproject.toml."""

VERSION = "0.1.0"
