"""Importing this silences pydicom: its warnings and its log quote values of the files, which may be a patient's."""

import logging
import warnings

logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
