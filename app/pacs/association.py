"""One conversation by DIMSE: opened with every time-out set, listened to for silence, hung up or broken off; what it can be about."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

from pydicom import uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context, build_role

from app.pacs.attended import Limits
from app.pacs.gate import guard
from app.pacs.nodes import Node
from planner.refusal import Refusal

IMAGES: tuple[str, ...] = (
    uid.CTImageStorage, uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage,
    uid.MRImageStorage, uid.EnhancedMRImageStorage, uid.LegacyConvertedEnhancedMRImageStorage,
)  # fmt: skip
UNCOMPRESSED: tuple[str, ...] = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)
COMPRESSED: tuple[str, ...] = (
    uid.DeflatedExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.RLELossless,
    uid.JPEGLosslessSV1, uid.JPEGLossless, uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit,
    uid.JPEGLSLossless, uid.JPEGLSNearLossless, uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K,
)  # fmt: skip
SYNTAXES = (*UNCOMPRESSED, *COMPRESSED)
MOST_CONTEXTS = 128  # PS3.8 9.3.2.2: odd numbers to 255

LARGEST_PDU = 1 << 18  # 256 KiB: few turns for a slice, and a sign of life well within any limit of silence
_HANG_UP_S = 0.3
_HUNG_UP_S = 1.0  # a call that ended sooner without a word was hung up, not left unanswered
_REJECTED = {
    (1, 3): ("does not know this program as {our}", "Have {our} entered there as a DICOM node, or enter the AE title that it knows."),
    (1, 7): ("is not called {its}", "Enter the AE title that it goes by."),
    (3, 1): ("has too much to do just now", "Try again later."),
    (3, 2): ("has too many callers just now", "Try again later."),
}  # PS3.8 table 9-21: source and reason


def storage_contexts(classes: Sequence[str] = IMAGES) -> list[PresentationContext]:
    """What can be received: each transfer syntax in a context of its own, so that the server picks the one that its files are in."""
    return [build_context(one, syntax) for one in classes for syntax in SYNTAXES]


def storage_roles() -> list[SCP_SCU_RoleSelectionNegotiation]:
    """Offers to receive on our own call, for C-GET."""
    return [build_role(one, scp_role=True) for one in IMAGES]


class Call:
    """A conversation with a node, of this program as the caller or, for C-MOVE, of both."""

    def __init__(self, node: Node, limits: Limits) -> None:
        self.node, self.limits = node, limits
        self._heard: float | None = None
        self._associations: list[Association] = []
        self._broken_off = False

    @property
    def handlers(self) -> list[evt.EventHandlerType]:
        """What every association of the conversation is watched by."""
        return [(evt.EVT_CONN_OPEN, self._opened), (evt.EVT_DATA_RECV, self.hear), (evt.EVT_DATA_SENT, self.hear)]

    def hear(self, event: evt.Event | None = None) -> None:
        """The server lives: bytes went either way."""
        self._heard = monotonic()
        if event is not None:
            _acknowledge_at_once(event.assoc)

    def _opened(self, event: evt.Event) -> None:
        self._associations.append(event.assoc)
        self.hear()
        wire = _wire(event.assoc)
        if wire is not None:
            with suppress(OSError):  # an answer waits for no other packet
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._broken_off:
            _break_off(event.assoc)

    def watch(self) -> None:
        """Raises Refusal when the server has been silent for too long."""
        if self._heard is not None and monotonic() - self._heard > self.limits.silence_s:
            seconds = f"{self.limits.silence_s:g} s"
            raise Refusal(f"{self.node.name} has said nothing for {seconds}.", "Try again; if it stays so, ask whoever runs the server.")

    def break_off(self) -> None:
        """End every association now, whatever the other side does."""
        self._broken_off = True
        for association in tuple(self._associations):
            _break_off(association)

    @contextmanager
    def open(
        self,
        contexts: Sequence[PresentationContext],
        roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
        handlers: Sequence[evt.EventHandlerType] = (),
    ) -> Iterator[Association]:
        """An association with the node, hung up at the end. Raises Refusal where it does not come about."""
        assert len(contexts) <= MOST_CONTEXTS
        start = monotonic()
        association = self._called(contexts, roles, handlers)
        # a server that refuses and hangs up at once may cut off its own words on the wire: it is asked again, once
        answered = association.is_established or association.is_rejected
        if self._associations and not answered and not self._broken_off and monotonic() - start < _HUNG_UP_S:
            association = self._called(contexts, roles, handlers)
        if not association.is_established:
            raise self._not_established(association)
        guard(association)
        try:
            yield association
        except BaseException:
            _break_off(association)
            raise
        if association.is_established:
            self.hear()
            association.release()

    def _called(
        self,
        contexts: Sequence[PresentationContext],
        roles: Sequence[SCP_SCU_RoleSelectionNegotiation],
        handlers: Sequence[evt.EventHandlerType],
    ) -> Association:
        try:
            return entity(self.node, self.limits).associate(
                self.node.host,
                self.node.port,
                list(contexts),
                self.node.ae_title,
                LARGEST_PDU,
                list(roles),
                tls_args=(tls(self.node), self.node.host) if self.node.tls else None,
                evt_handlers=[*self.handlers, *handlers],
            )
        except (OSError, UnicodeError):  # a host that has no address
            raise why_no_connection(self.node, self.limits) from None

    def lost(self) -> Refusal:
        """What is said when the server hangs up in the middle."""
        return Refusal(f"The connection to {self.node.name} was lost.", "Try again; what has come stays.")

    def _not_established(self, association: Association) -> Refusal:
        name = self.node.name
        if association.is_rejected:
            answer = association.acceptor.primitive
            reason: Any = (getattr(answer, "result_source", None), getattr(answer, "diagnostic", None))
            why, way_out = _REJECTED.get(reason, ("refuses to talk to this program", "Ask whoever runs the server."))
            titles = {"our": self.node.our_ae_title, "its": self.node.ae_title}
            return Refusal(f"{name} {why.format(**titles)}.", way_out.format(**titles))
        if self._associations:
            way_out = f"Check host and port, and whether it {'speaks' if self.node.tls else 'wants'} TLS."
            return Refusal(f"{name} took the call, but gave no answer of a DICOM server.", way_out)
        return why_no_connection(self.node, self.limits)


def entity(node: Node, limits: Limits) -> AE:
    """This program in the words of DICOM, with every time-out set."""
    made = AE(node.our_ae_title)
    made.connection_timeout = limits.connect_s
    made.acse_timeout = limits.answer_s
    made.dimse_timeout = None  # a large image may take longer than any limit; silence is what ends a call, and Call.watch hears it
    made.network_timeout = limits.silence_s
    made.maximum_pdu_size = LARGEST_PDU
    return made


def tls(node: Node, server: bool = False) -> ssl.SSLContext:
    """How calls of this node are encrypted and who is believed. server: for the side that is called. Raises Refusal for its files."""
    try:
        purpose = ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH
        context = ssl.create_default_context(purpose, cafile=node.authority or None)
        if server and node.authority:
            context.verify_mode = ssl.CERT_REQUIRED
        if node.certificate:
            context.load_cert_chain(node.certificate, node.key or None, password=lambda: "")  # never asks on a terminal
        return context
    except (OSError, ValueError) as error:
        sentence = f"The certificate files of {node.name} cannot be used."
        raise Refusal(sentence, "Check that they are PEM files, that the key has no password, and that they belong together.") from error


def why_no_connection(node: Node, limits: Limits) -> Refusal:
    """What a plain call to the node says, in a sentence."""
    where = f"{node.host}, port {node.port}"
    try:
        with socket.create_connection((node.host, node.port), limits.connect_s) as wire:
            if node.tls:
                with tls(node).wrap_socket(wire, server_hostname=node.host):
                    pass
    except ssl.SSLCertVerificationError:
        return Refusal(f"{node.name} shows a certificate that is not trusted.", "Enter the file of its authority, or mend its certificate.")
    except ssl.SSLError:
        return Refusal(f"{node.name} and this program do not agree on TLS.", "Check that the port is the one for TLS.")
    except socket.gaierror:
        return Refusal(f"{node.name} is not found: no machine is called {node.host}.", "Check the host, and the network.")
    except TimeoutError:
        return Refusal(f"{node.name} does not answer at {where}.", "Check host, port and network; a firewall may be between.")
    except ConnectionRefusedError:
        return Refusal(f"Nothing listens at {where}, where {node.name} should.", "Check host and port, or whether the server runs.")
    except (OSError, UnicodeError):
        return Refusal(f"{node.name} is not reached at {where}.", "Check host, port and network.")
    return Refusal(f"{node.name} broke the call off.", "Try again; check host and port.")


def _wire(association: Association) -> socket.socket | None:
    wire = getattr(association.dul.socket, "socket", None)
    return wire if isinstance(wire, socket.socket) else None


def _acknowledge_at_once(association: Association) -> None:
    """dcmtk, and Orthanc which stands on it, send a message in two pieces, the second when the first is acknowledged: without this each
    image waits 40 ms for Linux to do so. The system forgets the wish with every packet that it sends."""
    wire = _wire(association)
    if wire is not None and hasattr(socket, "TCP_QUICKACK"):
        with suppress(OSError):
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _break_off(association: Association) -> None:
    """Abort with a word where the other side listens, else without: `abort` alone waits for a thread that may be waiting for the server."""
    wire = _wire(association)
    abort = threading.Thread(target=association.abort, name="pacs hanging up", daemon=True)
    abort.start()
    abort.join(_HANG_UP_S)
    if wire is not None:
        with suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)
    association.dimse.msg_queue.put((None, None))  # whoever waits for an answer has none
    association.dul.to_user_queue.put(None)
    abort.join(_HANG_UP_S)
