"""Decoders and encoders: whatever the segmentation, the same messages; errors with what had arrived."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unstick
from unstick import program

SPECS = ["u32be", "u16le", "varint", "netstring", "slip", "cobs", "struct:!I", "hex:4", "headers"]


@given(
    spec=st.sampled_from(SPECS),
    messages=st.lists(st.binary(min_size=1, max_size=300), max_size=8),
    cuts=st.lists(st.integers(min_value=0, max_value=3000)),
)
@settings(deadline=None)
def test_any_segmentation_gives_the_same_messages(spec, messages, cuts):
    framing = unstick.Framing(spec)
    wire = framing.encoder().encode_all(messages)
    decoder = framing.decoder()
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    got = [message for at, end in zip(places, places[1:]) for message in decoder.feed(wire[at:end])]
    got += decoder.finish()
    assert got == messages
    assert decoder.pending == b""


@pytest.mark.parametrize("spec", ["u32be", "line", "crlf", "netstring"])
def test_the_frames_are_those_of_the_program(spec):
    messages = [b"hello", b"", b"w" * 300]
    wire = unstick.Framing(spec).encoder().encode_all(messages)
    echo = [program.path(), "connect", "-", "-f", spec, "--echo"]
    there = subprocess.run(echo, input=wire, capture_output=True, timeout=20)
    assert there.returncode == 0, there.stderr
    assert there.stdout == wire


def test_bytes_bytearrays_and_memoryviews_are_messages_and_text_is_not():
    encoder = unstick.Framing("u16be").encoder()
    for message in (b"ab", bytearray(b"ab"), memoryview(b"xabx")[1:3]):
        assert encoder.encode(message) == b"\0\x02ab"
        assert list(unstick.Framing("u16be").decoder().feed(bytes(encoder.encode(message)))) == [b"ab"]
    assert list(unstick.Framing("u16be").decoder().feed(memoryview(b"\0\x02ab"))) == [b"ab"]
    with pytest.raises(TypeError, match=r"bytes, not str: text.encode\(\)"):
        encoder.encode("ab")
    with pytest.raises(TypeError, match="bytes, not int"):
        unstick.Framing("u16be").decoder().feed(3)


def test_messages_before_an_error_come_first():
    decoder = unstick.Framing("netstring").decoder()
    got = []
    with pytest.raises(unstick.FramingError) as caught:
        for message in decoder.feed(b"2:ab,1:c,GET / HTTP/1.1\r\n"):
            got.append(message)
    assert got == [b"ab", b"c"]
    assert caught.value.offset == 9
    assert caught.value.pending.startswith(b"GET ")
    assert "HTTP" in caught.value.hint
    with pytest.raises(unstick.FramingError):
        decoder.feed(b"2:ab,")


def test_an_end_inside_a_message_tells_what_had_arrived():
    decoder = unstick.Framing("u32be").decoder()
    assert list(decoder.feed(b"\0\0\0\x05hel")) == []
    with pytest.raises(unstick.IncompleteMessage) as caught:
        decoder.finish()
    assert caught.value.pending.endswith(b"hel")
    assert isinstance(caught.value, EOFError)


def test_a_message_that_is_too_long():
    decoder = unstick.Framing("u32be,max=10").decoder()
    with pytest.raises(unstick.MessageTooLong):
        decoder.feed(b"\0\0\0\x0b")
    with pytest.raises(unstick.MessageError, match="10"):
        unstick.Framing("u32be,max=10").encoder().encode(b"x" * 11)


def test_a_message_that_its_framing_cannot_carry_leaves_the_encoder_as_it_was():
    encoder = unstick.Framing("line").encoder()
    with pytest.raises(unstick.MessageError):
        encoder.encode(b"two\nlines")
    with pytest.raises(unstick.MessageError):
        encoder.encode_all([b"one", b"two\nlines"])
    assert encoder.encode(b"one") == b"one\n"


def test_a_spec_that_means_nothing_says_what_may_have_been_meant():
    with pytest.raises(unstick.SpecError) as caught:
        unstick.Framing("netstrin")
    assert "netstring" in caught.value.hint
    assert "hint" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_a_conversation_knows_which_answer_has_no_body():
    encoder, decoder = unstick.Framing("http").conversation("client")
    encoder.encode(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert list(decoder.feed(head)) == [head]


def test_framings_are_values():
    assert unstick.Framing("line") == unstick.Framing("line") != unstick.Framing("crlf")
    assert len({unstick.Framing("line"), unstick.Framing("line")}) == 1
    assert repr(unstick.Framing("line")) == 'Framing("line")'
    assert unstick.Framing("line").keeps_boundaries
    assert not unstick.Framing("raw").keeps_boundaries
    with pytest.raises(ValueError, match='a role is "client" or "server"'):
        unstick.Framing("http").sent_by("both")


def test_memory_is_stable_over_many_messages():
    import resource

    decoder = unstick.Framing("u32be").decoder()
    segment = unstick.Framing("u32be").encoder().encode_all([b"x" * 64] * 1000)

    def feed(rounds):
        for _ in range(rounds):
            assert len(list(decoder.feed(segment))) == 1000
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = feed(100)
    assert feed(10_000) < before + 4096, "KiB, after ten million messages"
