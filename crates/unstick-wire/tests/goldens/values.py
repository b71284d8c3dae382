"""Formats whose values lie one behind the other, each saying itself where it ends; by their own libraries.

pip install pycapnp msgpack cbor2 pyarrow
"""

import io
import tempfile

import capnp
import cbor2
import msgpack
import pyarrow

from golden import Golden


def messagepack():
    g = Golden("messagepack", "MessagePack values: MessagePack-RPC, Fluentd's forward", "MessagePack specification, Formats; MessagePack-RPC specification; Fluentd forward protocol", "msgpack")
    pack = lambda value: msgpack.packb(value, use_bin_type=True)
    g.client(pack([0, 7, "add", [1, 2]]), "a call of MessagePack-RPC")
    g.client(pack(["app.log", 1700000000, {"level": "info", "size": 1.5}]), "an event of Fluentd's forward")
    g.client(pack(["tag", msgpack.ExtType(0, b"12345678"), {str(i): None for i in range(20)}]), "its own time, and a map of 20")
    g.client(pack([i - 70000 for i in range(0, 140000, 9000)]), "integers of all widths")
    g.client(pack([b"x" * 300, "y" * 40, b"", "z" * 70000, [[]] * 17, msgpack.ExtType(5, b"abc"), 2.0**70, 1 << 63]), "lengths of all widths")
    g.server(pack([1, 7, None, 3]), "its answer")
    g.server(pack({}), "")
    g.server(pack(True), "")
    g.server(pack(-1), "")
    g.server(pack("\u00e9"), "")
    g.write()


def cbor():
    g = Golden("cbor", "CBOR sequences", "RFC 8949 section 3, RFC 8742", "cbor2")
    for value, note in [(0, ""), (-70000, ""), (1.5, ""), ("\u00e9" * 200, ""), ([1, [2, []], {"a": b"\0" * 30}], ""), (cbor2.CBORTag(32, "a:b"), "a tag"), ([None, True, cbor2.undefined], ""), (1 << 80, "a tag and bytes")]:
        g.client(cbor2.dumps(value), note)
    # Of RFC 8949, appendix A.
    for text, note in [
        ("9f018202039f0405ffff", "[_ 1, [2, 3], [_ 4, 5]]"),
        ("5f42010243030405ff", "(_ h'0102', h'030405')"),
        ("bf6346756ef563416d7421ff", '{_ "Fun": true, "Amt": -2}'),
        ("826161bf61626163ff", '["a", {_ "b": "c"}]'),
        ("f8ff", "a simple value"),
        ("fb7e37e43c8800759c", ""),
        ("5fff", "nothing in pieces, by hand"),
        ("c11a514b67b0", ""),
    ]:
        g.server(bytes.fromhex(text), note)
    g.write()


def capn():
    g = Golden("capnproto", "Cap'n Proto, messages on a stream", "Cap'n Proto encoding spec, Serialization Over a Stream", "pycapnp")
    with tempfile.NamedTemporaryFile("w", suffix=".capnp") as schema:
        schema.write("@0x934efea7f017fff0; struct Event { id @0 :UInt64; text @1 :Text; more @2 :List(Text); }")
        schema.flush()
        event = capnp.load(schema.name).Event
        g.client(event.new_message(id=7).to_bytes(), "one segment")
        g.client(event.new_message(id=8, text="hello", more=["x" * 100] * 3).to_bytes(), "")
        # Segments that are too small for it.
        message = capnp.lib.capnp._MallocMessageBuilder(4)
        message.init_root(event).text = "y" * 500
        g.client(written(message), "more segments than one")
        g.server(event.new_message().to_bytes(), "nothing in it")
    segments = [b"\1" * 8, b"\2" * 16, b""]
    table = (len(segments) - 1).to_bytes(4, "little") + b"".join((len(s) // 8).to_bytes(4, "little") for s in segments)
    g.server(table + b"".join(segments), "three segments: by hand")
    g.server((1).to_bytes(4, "little") + (1).to_bytes(4, "little") * 2 + bytes(4) + segments[0] * 2, "two, and padding behind the table: by hand")
    g.write()


def written(message):
    with tempfile.TemporaryFile() as file:
        capnp.lib.capnp._write_message_to_fd(file.fileno(), message)
        file.seek(0)
        return file.read()


def arrow():
    g = Golden("arrow", "Arrow IPC streams", "Arrow columnar format, Encapsulated message format and IPC Streaming Format", "pyarrow")
    batch = pyarrow.record_batch({"id": pyarrow.array([1, 2, None]), "text": pyarrow.array(["a", "b" * 90, ""])})
    out = io.BytesIO()
    with pyarrow.ipc.new_stream(out, batch.schema) as writer:
        # Written with the first of them.
        ends = [0, len(batch.schema.serialize())]
        for part in [batch, batch.slice(0, 0), batch]:
            writer.write_batch(part)
            ends.append(out.tell())
    ends.append(len(out.getvalue()))
    for start, end, note in zip(ends, ends[1:], ["the schema", "a batch of records", "one without", "", "the end of the stream"]):
        g.client(out.getvalue()[start:end], note)
    g.server(out.getvalue()[ends[-2] :], "the end of a stream")
    g.write()


for make in [messagepack, cbor, capn, arrow]:
    make()
