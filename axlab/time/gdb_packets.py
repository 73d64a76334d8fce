"""gdb's remote protocol on the wire: packets with checksums, acknowledgements, and Ctrl-C (gdb manual, appendix E)."""

from __future__ import annotations

from dataclasses import dataclass, field

START, END, ESCAPE, INTERRUPT = ord("$"), ord("#"), ord("}"), 0x03
LONGEST = 0x4000  # bytes of a packet; what is longer is thrown away
LONGEST_TEXT = 0x2000  # bytes that one answer may show


@dataclass(frozen=True, slots=True)
class Message:
    """What came from gdb. `kind`: "packet" (with its payload), "interrupt", "broken" (a wrong checksum), "resend"."""

    kind: str
    payload: bytes = b""


@dataclass
class Reader:
    """Bytes as they come; `messages` gives what is complete. Nothing that comes breaks it."""

    buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Message]:
        """More bytes: the messages that are complete with them."""
        self.buffer += data
        found = []
        while self.buffer:
            first = self.buffer[0]
            if first == START:
                end = self.buffer.find(END)
                if end < 0 or len(self.buffer) < end + 3:
                    if len(self.buffer) > 2 * LONGEST:
                        del self.buffer[0]
                        continue
                    break
                found.append(unframed(bytes(self.buffer[1:end]), bytes(self.buffer[end + 1 : end + 3])))
                del self.buffer[: end + 3]
                continue
            if first == INTERRUPT:
                found.append(Message("interrupt"))
            elif first == ord("-"):
                found.append(Message("resend"))
            del self.buffer[0]
        return found


def unframed(body: bytes, checksum: bytes) -> Message:
    """The packet between $ and #, if its checksum is right."""
    try:
        good = int(checksum, 16) == sum(body) & 0xFF
    except ValueError:
        good = False
    if not good:
        return Message("broken")
    payload = bytearray()
    escaped = False
    for byte in body:
        if escaped or byte != ESCAPE:
            payload.append(byte ^ 0x20 if escaped else byte)
            escaped = False
        else:
            escaped = True
    return Message("packet", bytes(payload))


def framed(payload: bytes) -> bytes:
    """A packet for gdb: escaped, with its checksum."""
    body = bytearray()
    for byte in payload:
        if byte in b"#$}*":
            body += bytes((ESCAPE, byte ^ 0x20))
        else:
            body.append(byte)
    return b"$%b#%02x" % (bytes(body), sum(body) & 0xFF)


def said(text: str) -> bytes:
    """A text that gdb shows to the person."""
    return b"O" + text.encode()[:LONGEST_TEXT].hex().encode()


def place(text: str) -> tuple[int, int]:
    """`40080000,10`: an address and a number of bytes. Raises ValueError."""
    address, comma, size = text.partition(",")
    found = int(address, 16), int(size, 16)
    if not comma or found[0] < 0 or found[0] >> 64 or found[1] < 0:
        raise ValueError(text)
    return found
