"""DICOMweb: QIDO-RS asks, WADO-RS fetches, STOW-RS sends. Images go from the network to a file and back in pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import requests
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from requests.auth import HTTPBasicAuth

from app.pacs.association import tls
from app.pacs.attended import Limits, attended
from app.pacs.inbox import Inbox, without_preamble
from app.pacs.multipart import Broken, OneFile, boundary_of, taken_apart
from app.pacs.nodes import Node
from app.pacs.passwords import password_of
from app.pacs.query import SeriesAnswer
from planner.progress import Cancelled, Progress
from planner.refusal import Refusal

T = TypeVar("T")

_PIECE_BYTES = 1 << 16  # what a line that is cut may lose beside the image it is at
_MOST_ANSWER_BYTES = 1 << 27  # a large series lists its images in some 30 MB
_ONE_BY_ONE = 0.5  # from this share on, the missing images are fetched singly
_ACCEPT = ('multipart/related; type="application/dicom"; transfer-syntax=*', 'multipart/related; type="application/dicom"')
_LACKS = (404, 410, 500)
_MOST_REFUSED = 10
_NOT_ACCEPTABLE = (400, 406)
_SAID = {
    400: ("does not understand the request", "Ask less, or ask whoever runs the server."),
    401: ("does not let this user in", "Enter user and password anew."),
    403: ("does not allow this user to do that", "Ask whoever runs the server."),
    404: ("has nothing at that address", "Check the DICOMweb address, its end too."),
    409: ("does not take it", "Ask whoever runs the server."),
    413: ("finds it too large", "Ask whoever runs the server."),
    429: ("has too much to do just now", "Try again later."),
    503: ("has too much to do just now", "Try again later."),
    507: ("has no room left", "Ask whoever runs the server."),
}


class Session:
    """A conversation by HTTP: logged in where the node has a user, never by way of what the system's settings say, and never sent on."""

    def __init__(self, node: Node, limits: Limits) -> None:
        self.node, self.limits = node, limits
        self.http = requests.Session()
        self.http.trust_env = False  # no .netrc, no proxy
        self.http.max_redirects = 0  # a question about a patient goes nowhere else
        self.http.verify = node.authority or True
        self.http.headers["Accept-Encoding"] = "identity"
        if node.certificate:
            self.http.cert = (node.certificate, node.key) if node.key else node.certificate
        self.timeout = (limits.connect_s, limits.silence_s)
        self._left = False
        self._answer: requests.Response | None = None

    @property
    def root(self) -> str:
        """The address of the service without a slash at the end."""
        return self.node.url.rstrip("/")

    def attended(self, work: Callable[[Progress], T], progress: Progress, watch: Callable[[], None] = lambda: None) -> T:
        """As `app.pacs.attended`; whatever goes wrong is a Refusal."""

        def translated(report: Progress) -> T:
            with self._translated():
                self._log_in()  # a keyring that is locked may ask first
                return work(report)

        try:
            return attended(translated, progress, self._leave, watch)
        finally:
            self.http.close()

    def _log_in(self) -> None:
        if self.node.url.lower().startswith("https:"):
            tls(self.node)  # says what is wrong with its files
        if self.node.user:
            self.http.auth = HTTPBasicAuth(self.node.user.encode(), (password_of(self.node) or "").encode())

    def _leave(self) -> None:
        self._left = True
        if self._answer is not None:
            with suppress(Exception):  # the thread that reads it may be at it
                self._answer.close()

    def pieces(self, answer: requests.Response) -> Iterator[bytes]:
        """The body of an answer, until the session is left."""
        self._answer = answer
        for piece in answer.iter_content(_PIECE_BYTES):
            if self._left:
                raise Cancelled
            yield piece

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What requests raises, as a sentence without addresses of patients."""
        name = self.node.name
        try:
            yield
        except requests.exceptions.HTTPError as error:
            raise self.said(_status(error)) from None
        except requests.exceptions.TooManyRedirects:
            raise Refusal(f"{name} points to another address.", "Enter the address that it points to.") from None
        except requests.exceptions.SSLError:
            sentence = f"{name} shows a certificate that is not trusted, or does not agree on TLS."
            raise Refusal(sentence, "Enter the file of its authority, or mend its certificate.") from None
        except requests.exceptions.ConnectTimeout:
            raise Refusal(f"{name} does not answer.", "Check address and network; a firewall may be between.") from None
        except requests.exceptions.Timeout:
            sentence = f"{name} has said nothing for {self.limits.silence_s:g} s."
            raise Refusal(sentence, "Try again; if it stays so, ask whoever runs the server.") from None
        except (requests.exceptions.ChunkedEncodingError, Broken):
            raise Refusal(f"The connection to {name} was lost.", "Try again; what has come stays.") from None
        except requests.exceptions.ConnectionError as error:
            if "timed out" in str(error).lower():  # a body that stops comes as this kind
                sentence = f"{name} has said nothing for {self.limits.silence_s:g} s."
                raise Refusal(sentence, "Try again; if it stays so, ask whoever runs the server.") from None
            raise Refusal(f"{name} is not reached, or hung up.", "Check address and network, or whether the server runs.") from None
        except (requests.exceptions.RequestException, ValueError, KeyError, TypeError, AttributeError):
            raise Refusal(f"{name} does not answer as a DICOMweb server does.", "Check the DICOMweb address, its end too.") from None
        except OSError:
            raise Refusal(f"{name} is not reached.", "Check address and network.") from None

    def said(self, status: int) -> Refusal:
        """An HTTP status as a sentence."""
        what, way_out = _SAID.get(status, ("could not do it", "Try again later, or ask whoever runs the server."))
        return Refusal(f"{self.node.name} {what} (HTTP {status}).", way_out)


def search(node: Node, level: str, keys: dict[str, str], most: int, progress: Progress, limits: Limits) -> tuple[list[Any], bool]:
    """QIDO-RS: answers as data sets, and whether there are more than `most`. level: as in DIMSE."""
    session = Session(node, limits)
    path = _path_of(level, keys)
    question = [f"{keyword}={_matched(value)}" for keyword, value in keys.items() if value and keyword not in _IN_PATH]
    question += [f"includefield={keyword}" for keyword, value in keys.items() if not value]

    def work(report: Progress) -> tuple[list[Any], bool]:
        found: list[Any] = []
        while len(found) <= most:
            window = [f"limit={most + 1 - len(found)}", *([f"offset={len(found)}"] if found else [])]
            page, goes_on = _page(session, f"{session.root}{path}?{'&'.join([*question, *window])}")
            found += page
            report(0.0, f"{len(found)} found")
            if not page or not goes_on:
                break
        return [Dataset.from_json(one) for one in found[:most]], len(found) > most

    return session.attended(work, progress)


_IN_PATH = ("StudyInstanceUID", "SeriesInstanceUID")


def _path_of(level: str, keys: dict[str, str]) -> str:
    study, series = (_quoted(keys.get(key, "")) for key in _IN_PATH)
    paths = {"STUDY": "/studies", "SERIES": f"/studies/{study}/series", "IMAGE": f"/studies/{study}/series/{series}/instances"}
    return paths[level]


def _matched(value: str) -> str:
    """A value to match in an address. Orthanc up to 1.10 does not decode what is encoded, so that * and ? stand bare, as they may, and
    ? stands for the ^ and the spaces of a name, which may not."""
    return quote(value.replace("^", "?").replace(" ", "?"), safe="*?")


def _page(session: Session, address: str) -> tuple[list[dict[str, Any]], bool]:
    """Answers, and whether the server says that it has more of them (PS3.18 8.3.4.4)."""
    with session.http.get(address, headers={"Accept": "application/dicom+json"}, timeout=session.timeout, stream=True) as answer:
        answer.raise_for_status()
        body = bytearray()
        for piece in session.pieces(answer):
            body += piece
            if len(body) > _MOST_ANSWER_BYTES:
                raise Refusal(f"{session.node.name} answers with more than this program reads.", "Ask less.")
        page = json.loads(body) if body else []
        if not isinstance(page, list):
            raise ValueError
        return page, "Warning" in answer.headers


def echo(node: Node, progress: Progress, limits: Limits) -> float:
    """Seconds until the server answers a question that no patient fits."""
    session = Session(node, limits)

    def work(report: Progress) -> float:
        start = monotonic()
        address, nobody = f"{session.root}/studies", {"PatientID": uuid4().hex, "limit": "1"}
        headers = {"Accept": "application/dicom+json"}
        with session.http.get(address, params=nobody, headers=headers, timeout=session.timeout) as answer:
            answer.raise_for_status()
            if answer.status_code != 204 and not isinstance(answer.json(), list):
                raise ValueError
        return monotonic() - start

    return session.attended(work, progress)


def fetch(node: Node, series: SeriesAnswer, inbox: Inbox, progress: Progress, limits: Limits) -> None:
    """WADO-RS: the series at once, then what is missing singly; singly at once where most of it is here."""
    from app.pacs.retrieve import received_words

    session = Session(node, limits)
    address = f"{session.root}/studies/{_quoted(series.study_uid)}/series/{_quoted(series.uid)}"
    few = bool(inbox.before) and len(inbox.missing) < _ONE_BY_ONE * len(inbox.expected)

    def work(report: Progress) -> None:
        def get(one: str) -> None:
            for _ in _images(session, one, inbox):
                report(*received_words(inbox, series))

        report(0.0, f"Asking {node.name}")
        if not few:
            try:
                get(address)
            except requests.exceptions.HTTPError as error:  # a server that lacks one image may give none of the series
                if not inbox.expected or _status(error) not in _LACKS:
                    raise
        in_a_row = 0
        for uid in sorted(inbox.missing):
            try:
                get(f"{address}/instances/{_quoted(uid)}")
                in_a_row = 0
            except requests.exceptions.HTTPError as error:
                in_a_row += 1
                if in_a_row == _MOST_REFUSED or _status(error) not in _LACKS:
                    raise

    def watch() -> None:
        if inbox.trouble is not None:
            raise inbox.trouble

    session.attended(work, progress, watch)


def _images(session: Session, address: str, inbox: Inbox) -> Iterator[None]:
    """Fetch what is at an address; comes back with every piece."""
    with _get(session, address) as answer:
        kind = answer.headers.get("Content-Type", "")
        boundary = boundary_of(kind)
        if boundary is not None:
            pieces = taken_apart(session.pieces(answer), boundary)
        elif kind.startswith("application/dicom") and "json" not in kind:  # some servers send a single image bare
            pieces = _single(session.pieces(answer))
        else:
            raise Broken
        while (first := next(pieces, None)) is not None:
            with inbox.part(_PIECE_BYTES) as (file, path):
                file.write(first)
                while (piece := next(pieces)) is not None:
                    inbox.check_room(len(piece))
                    file.write(piece)
                    yield
                if not without_preamble(file):
                    continue
                file.close()
                inbox.adopt(path, _uid_of(path))
            yield


def _status(error: requests.exceptions.HTTPError) -> int:
    return error.response.status_code if error.response is not None else 0


def _single(pieces: Iterator[bytes]) -> Iterator[bytes | None]:
    yield from pieces
    yield None


def _get(session: Session, address: str) -> requests.Response:
    """An answer that streams, in the syntax that the files are in; older servers know no such wish."""
    for accept in _ACCEPT:
        answer = session.http.get(address, headers={"Accept": accept}, timeout=session.timeout, stream=True)
        if answer.status_code not in _NOT_ACCEPTABLE:
            break
    answer.raise_for_status()
    return answer


def _uid_of(path: Path) -> str:
    """The instance UID in the head of a file; "" where there is none."""
    try:
        return str(read_file_meta_info(path).get("MediaStorageSOPInstanceUID", ""))
    except Exception:  # whatever a server sends
        return ""


def _quoted(uid: str) -> str:
    """A UID as a piece of an address: digits and dots pass, nothing else leads elsewhere."""
    return quote(uid, safe="")


def send_one(session: Session, path: Path) -> str:
    """STOW-RS with one image: "" when it was taken, else why not."""
    body = OneFile(path)
    kind = f'multipart/related; type="application/dicom"; boundary="{OneFile.BOUNDARY}"'
    headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
    try:
        answer = session.http.post(f"{session.root}/studies", data=body, headers=headers, timeout=session.timeout)
    finally:
        body.close()
    if answer.status_code not in (200, 202, 409):
        answer.raise_for_status()
    try:
        failed = json.loads(answer.content).get("00081198", {}).get("Value", [])
    except (ValueError, AttributeError):
        failed = []
    if failed or answer.status_code == 409:
        reason = failed[0].get("00081197", {}).get("Value", [0])[0] if failed and isinstance(failed[0], dict) else 0
        return f"it does not take it (reason {int(reason):04X})"
    return ""
