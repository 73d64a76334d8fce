"""PL011: what a driver sees. The sequences are those of Linux's amba-pl011, U-Boot and small kernels."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from axlab.machine.bus import Access
from axlab.machine.uart import FIFO_DEPTH, Pl011

DR, RSR, FR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, ICR = (
    0x00, 0x04, 0x18, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x38, 0x3C, 0x40, 0x44,
)  # fmt: skip
RXFE, TXFF, RXFF, TXFE, BUSY = 0x10, 0x20, 0x40, 0x80, 0x08
RX, TX, RT, OE = 0x10, 0x20, 0x40, 0x400


def read(uart: Pl011, offset: int, width: int = 4) -> int:
    return uart.access(offset, Access(offset, width))


def write(uart: Pl011, offset: int, value: int, width: int = 4) -> None:
    uart.access(offset, Access(offset, width, value, is_write=True))


def with_fifo() -> Pl011:
    uart = Pl011()
    write(uart, LCR_H, 0x70)
    return uart


def test_a_uart_that_was_never_set_up_sends_at_once() -> None:
    uart = Pl011()
    for byte in b"hello":
        assert not read(uart, FR) & (TXFF | BUSY)
        write(uart, DR, byte)
    write(uart, DR, ord("!"), width=1)
    assert uart.take_output() == b"hello!"
    assert uart.take_output() == b""


def test_drivers_know_it_by_its_identification() -> None:
    uart = Pl011()
    assert [read(uart, 0xFE0 + 4 * i) for i in range(4)] == [0x11, 0x10, 0x14, 0x00]
    assert [read(uart, 0xFF0 + 4 * i) for i in range(4)] == [0x0D, 0xF0, 0x05, 0xB1]


def test_registers_after_reset() -> None:
    uart = Pl011()
    assert (read(uart, FR), read(uart, CR), read(uart, IFLS)) == (TXFE | RXFE, 0x300, 0x12)
    assert (read(uart, IMSC), read(uart, RIS), read(uart, LCR_H)) == (0, 0, 0)
    assert not uart.interrupt


def test_registers_keep_their_bits() -> None:
    uart = Pl011()
    for offset, bits in ((IBRD, 0xFFFF), (FBRD, 0x3F), (LCR_H, 0xFF), (IFLS, 0x3F), (IMSC, 0x7FF)):
        write(uart, offset, 0xFFFF_FFFF)
        assert read(uart, offset) == bits


def test_without_its_fifo_it_holds_one_received_byte() -> None:
    uart = Pl011()
    assert uart.room == 1
    assert uart.receive(b"ab") == 1
    assert read(uart, FR) & (RXFF | RXFE) == RXFF
    assert read(uart, DR) == ord("a")
    assert read(uart, FR) & (RXFF | RXFE) == RXFE


def test_with_its_fifo_it_holds_sixteen_received_bytes() -> None:
    uart = with_fifo()
    assert uart.receive(b"0123456789abcdef+") == FIFO_DEPTH
    assert uart.room == 0
    assert read(uart, FR) & RXFF
    assert bytes(read(uart, DR) for _ in range(16)) == b"0123456789abcdef"
    assert read(uart, FR) & RXFE
    assert read(uart, DR) == 0


def test_the_fifo_keeps_the_oldest_byte_when_it_is_switched_off() -> None:
    uart = with_fifo()
    uart.receive(b"xyz")
    write(uart, LCR_H, 0x60)
    assert uart.received == b"x"
    assert uart.room == 0


def test_input_raises_the_receive_interrupts_until_it_is_read() -> None:
    uart = with_fifo()
    write(uart, IMSC, RX | RT)
    assert not uart.interrupt
    uart.receive(b"ab")
    assert uart.interrupt
    assert read(uart, MIS) == RX | RT
    read(uart, DR)
    assert uart.interrupt
    read(uart, DR)
    assert not uart.interrupt


def test_a_masked_interrupt_is_raw_only() -> None:
    uart = Pl011()
    uart.receive(b"a")
    assert (read(uart, RIS), read(uart, MIS), uart.interrupt) == (RX | RT, 0, False)
    write(uart, IMSC, RT)
    assert (read(uart, MIS), uart.interrupt) == (RT, True)
    write(uart, IMSC, 0)
    assert not uart.interrupt


def test_more_input_raises_an_interrupt_that_was_cleared_too_early() -> None:
    uart = with_fifo()
    write(uart, IMSC, RX)
    uart.receive(b"a")
    write(uart, ICR, RX)
    assert not uart.interrupt
    uart.receive(b"b")
    assert uart.interrupt


def test_the_transmit_interrupt_comes_after_a_byte_was_sent_not_before() -> None:
    uart = with_fifo()
    write(uart, IMSC, TX)
    assert not uart.interrupt
    write(uart, DR, ord("a"))
    assert uart.interrupt
    write(uart, ICR, TX)
    assert not uart.interrupt
    assert read(uart, ICR) == 0


def test_in_loopback_it_receives_what_it_sends() -> None:
    uart = Pl011()
    write(uart, CR, 0x381)
    write(uart, DR, ord("l"))
    assert uart.take_output() == b""
    assert read(uart, DR) == ord("l")


def test_a_byte_too_many_in_loopback_is_an_overrun() -> None:
    uart = Pl011()
    write(uart, CR, 0x381)
    write(uart, DR, ord("1"))
    write(uart, DR, ord("2"))
    assert (read(uart, RSR), read(uart, RIS) & OE) == (0x08, OE)
    write(uart, RSR, 0)
    assert read(uart, RSR) == 0
    assert read(uart, DR) == ord("1")


def test_linux_start_up_finds_no_interrupt_and_loses_no_byte_after_it() -> None:
    uart = Pl011()
    uart.receive(b"typed too early")
    write(uart, ICR, 0x7FF)
    write(uart, CR, 0x301)
    write(uart, IBRD, 13)
    write(uart, FBRD, 1)
    write(uart, LCR_H, 0x70)
    write(uart, ICR, RX | RT)
    while not read(uart, FR) & RXFE:
        read(uart, DR)
    write(uart, IMSC, RX | RT)
    assert not uart.interrupt
    uart.receive(b"ls\n")
    assert uart.interrupt
    received = bytearray()
    while not read(uart, FR) & RXFE:
        received.append(read(uart, DR, width=2))
    assert received == b"ls\n"
    assert not uart.interrupt


def test_a_copy_has_its_own_fifo() -> None:
    uart = with_fifo()
    uart.receive(b"ab")
    copied = copy.deepcopy(uart)
    read(uart, DR)
    assert copied.received == b"ab"


@given(st.lists(st.one_of(st.binary(max_size=20), st.just(None))))
def test_bytes_arrive_in_order_and_only_those_that_were_accepted(steps: list[bytes | None]) -> None:
    uart = with_fifo()
    sent, received = bytearray(), bytearray()
    for step in steps:
        if step is None:
            if not read(uart, FR) & RXFE:
                received.append(read(uart, DR))
        else:
            room = uart.room
            accepted = uart.receive(step)
            assert accepted == min(room, len(step))
            sent += step[:accepted]
        assert bool(read(uart, FR) & RXFE) == (sent == received)
    assert sent.startswith(received)
    assert uart.received == sent[len(received) :]
