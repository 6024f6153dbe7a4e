"""Programs of others that the tests of the PACS need, called by absolute path: Python packages bring others of the same names."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ORTHANC = Path("/usr/sbin/Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "planner", "correct horse battery"
_READY_S = 30.0


def program(path: str | Path) -> Path:
    """A program of the system; skips the test where it is missing, and fails it in CI."""
    path = Path(path)
    if not path.exists():
        message = f"{path} is not installed (scripts/test installs it where it may: it needs root)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Orthanc:
    """A real PACS on the loopback address, with a storage of its own."""

    AE_TITLE = "ORTHANC"

    def __init__(self, folder: Path, receiver_port: int, certificate: Path | None = None, key: Path | None = None) -> None:
        """certificate and key: for both sides of TLS, of DIMSE alone: with HTTPS Orthanc 1.10.1 of Debian 12 crashes."""
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.web_port, self.receiver_port = free_port(), free_port(), receiver_port
        self.config = folder / "orthanc.json"
        settings = {
            "Name": "test", "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "index"),
            "Plugins": [str(program(PLUGIN))], "DicomPort": self.port, "HttpPort": self.web_port, "RemoteAccessAllowed": False,
            "DicomAet": self.AE_TITLE, "DicomCheckCalledAet": True, "AuthenticationEnabled": True, "RegisteredUsers": {USER: PASSWORD},
            "DicomModalities": {
                "us": {"AET": "DURAPLAN", "Host": "127.0.0.1", "Port": receiver_port},
                "elsewhere": {"AET": "ELSEWHERE", "Host": "127.0.0.1", "Port": free_port()},
            },
            "DicomAlwaysAllowStore": True, "DicomAlwaysAllowEcho": False, "DicomAlwaysAllowFind": False, "DicomAlwaysAllowGet": False,
            "DicomCheckModalityHost": False, "StableAge": 1, "SynchronousCMove": True, "DicomScuTimeout": 3, "DicomScpTimeout": 30,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }  # fmt: skip
        if certificate is not None and key is not None:
            settings["DicomModalities"]["us"]["UseDicomTls"] = True
            settings |= {
                "DicomTlsEnabled": True, "DicomTlsCertificate": str(certificate), "DicomTlsPrivateKey": str(key),
                "DicomTlsTrustedCertificates": str(certificate),
            }  # fmt: skip
        self.config.write_text(json.dumps(settings), "utf-8")
        self._log = folder / "orthanc.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}/dicom-web"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([program(ORTHANC), self.config], stdout=log, stderr=log, start_new_session=True)
        limit = time.monotonic() + _READY_S
        while True:
            with suppress(OSError):
                self.rest("/system")
                return
            assert self._process.poll() is None and time.monotonic() < limit, self._log.read_text("utf-8", "replace")[-2000:]
            time.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        """Stop, continue or kill it."""
        if self._process is not None:
            self._process.send_signal(number)
            if number == signal.SIGKILL:
                self._process.wait()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def rest(self, path: str, data: bytes | None = None) -> Any:
        """Its own interface: for setting up and for looking behind what it says by DICOM."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.web_port}{path}", data)
        request.add_header("Authorization", "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def add(self, files: list[Path]) -> None:
        for path in files:
            self.rest("/instances", path.read_bytes())

    @property
    def instances(self) -> int:
        return int(self.rest("/statistics")["CountInstances"])
