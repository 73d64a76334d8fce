"""The socket of the gdb stub: this computer only, one gdb after the other, until it detaches."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Any

from axlab.errors import AxError
from axlab.time.gdb_packets import Message, Reader, framed
from axlab.time.gdb_session import Session

LOOPBACK = "127.0.0.1"
POLL = 0.05  # seconds between two looks at the socket while the machine runs


class Connection:
    """A gdb at the other end of a socket."""

    def __init__(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        self.peer = peer
        self.stopped = stopped
        self.reader = Reader()
        self.queue: list[Message] = []
        self.closed = False
        self.looked = 0.0
        self.sent = b""

    def send(self, data: bytes) -> None:
        """Send; a gdb that is gone closes the connection."""
        try:
            self.peer.sendall(data)
        except OSError:
            self.closed = True

    def receive(self, wait: float) -> None:
        """Take what has come, for at most `wait` seconds."""
        try:
            ready, _, _ = select.select([self.peer], [], [], wait)
            if ready:
                data = self.peer.recv(65536)
                self.closed = self.closed or not data
                self.queue += self.reader.feed(data)
        except (OSError, ValueError):
            self.closed = True

    def interrupted(self) -> bool:
        """Whether Ctrl-C was pressed here or in gdb, or gdb is gone. Asked often: the socket is looked at seldom."""
        if time.monotonic() - self.looked > POLL:
            self.looked = time.monotonic()
            self.receive(0)
        return self.closed or self.stopped() or any(one.kind == "interrupt" for one in self.queue)

    def serve(self, session: Session) -> None:
        """Answer packets until gdb leaves."""
        while not (self.closed or session.gone or self.stopped()):
            if not self.queue:
                self.receive(0.2)
                continue
            message = self.queue.pop(0)
            if message.kind == "broken" and session.acknowledges:
                self.send(b"-")
            elif message.kind == "resend":
                self.send(self.sent)
            elif message.kind == "packet":
                self.answer(session, message.payload)
        session.leave()

    def answer(self, session: Session, payload: bytes) -> None:
        if session.acknowledges:
            self.send(b"+")
        self.looked = 0.0
        for reply in session.answer(payload):
            self.sent = framed(reply)
            self.send(self.sent)
        self.queue = [one for one in self.queue if one.kind != "interrupt"]


def listen(port: int) -> socket.socket:
    """A socket on this computer's loopback; port 0 takes any that is free. Raises `AxError`."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((LOOPBACK, port))
        server.listen(1)
    except OSError as error:
        server.close()
        raise AxError(f"port {port} cannot be used: {error.strerror}; --port 0 takes one that is free") from None
    return server


def serve(server: socket.socket, lab: Any, vm: int, stopped: Callable[[], bool]) -> bool:
    """Wait for a gdb and serve it until it leaves. False where `stopped` came first."""
    server.settimeout(0.2)
    while not stopped():
        try:
            peer, _ = server.accept()
        except TimeoutError:
            continue
        with peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(peer, stopped)
            connection.serve(Session(lab, vm, connection.interrupted))
        return True
    return False
