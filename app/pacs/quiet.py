"""Importing this silences the libraries of the room: at their levels they print query results, addresses and names."""

from __future__ import annotations

import logging
import warnings

from pynetdicom import _config

LIBRARIES = ("pynetdicom", "pydicom", "urllib3", "requests", "keyring")

for _name in LIBRARIES:
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)
    # warnings quote the value that they are about
    warnings.filterwarnings("ignore", module=rf"{_name}(\.|$)")

_config.LOG_HANDLER_LEVEL = "none"
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False
