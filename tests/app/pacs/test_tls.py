"""The same conversations encrypted, and who is believed."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.pacs.echo import echo
from app.pacs.nodes import WAYS, Node, Way
from app.pacs.passwords import keep_password
from app.pacs.query import Asked, find_series, find_studies
from app.pacs.retrieve import retrieve
from planner.progress import silent
from planner.refusal import Refusal
from tests.app.pacs.conftest import QUICK, Line, node_of
from tests.app.pacs.patients import write_series
from tests.app.pacs.programs import PASSWORD, Orthanc, free_port, program


@dataclass(frozen=True)
class Encrypted:
    """web: the encrypted line to its DICOMweb."""

    server: Orthanc
    certificate: str
    key: str
    web: Line

    def node(self, way: Way) -> Node:
        node = node_of(self.server, way)
        node = replace(node, url=f"https://127.0.0.1:{self.web.port}/dicom-web")
        keep_password(node, PASSWORD)
        return replace(node, tls=True, authority=self.certificate, certificate=self.certificate, key=self.key)


def certify(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command: list[str | Path] = [program("/usr/bin/openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = certify(folder)
    server = Orthanc(folder / "server", free_port(), certificate, key)
    server.add(list(write_series(folder / "ct", 5).files))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    web = Line(server.web_port, tls=context)
    yield Encrypted(server, str(certificate), str(key), web)
    web.close()
    server.kill()


@pytest.mark.parametrize("way", WAYS)
def test_everything_goes_by_tls_too(way: Way, encrypted: Encrypted, tmp_path: Path) -> None:
    node = encrypted.node(way)
    assert echo(node) > 0
    (study,) = find_studies(node, Asked(name="Zzyzxquill")).answers
    assert retrieve(node, find_series(node, study), tmp_path).images == 5


@pytest.mark.parametrize("way", ["C-GET", "DICOMweb"])
def test_a_certificate_that_nobody_signed_is_not_believed(way: Way, encrypted: Encrypted, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="certificate that is not trusted"):
        echo(replace(encrypted.node(way), authority=""), silent, QUICK)
    stranger, _ = certify(tmp_path)
    with pytest.raises(Refusal, match="certificate that is not trusted"):
        echo(replace(encrypted.node(way), authority=str(stranger)), silent, QUICK)


def test_a_server_that_wants_tls_and_one_that_does_not(encrypted: Encrypted) -> None:
    with pytest.raises(Refusal) as said:
        echo(replace(encrypted.node("C-GET"), tls=False), silent, QUICK)
    assert "TLS" in str(said.value)


@pytest.mark.parametrize("way", ["C-GET", "DICOMweb"])
def test_certificate_files_that_are_none_are_said(way: Way, encrypted: Encrypted, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    for wrong in (str(nonsense), str(tmp_path / "missing.pem")):
        with pytest.raises(Refusal, match="certificate"):
            echo(replace(encrypted.node(way), authority=wrong), silent, QUICK)
