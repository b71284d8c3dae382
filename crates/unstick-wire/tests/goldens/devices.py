"""Machines, cars and hospitals: as scapy, pymodbus and pynetdicom build their messages.

pip install scapy pymodbus pynetdicom asyncua hl7
"""

import logging
import struct

logging.getLogger("scapy").setLevel(logging.ERROR)

import hl7  # noqa: E402
from asyncua import ua  # noqa: E402
from asyncua.ua import ua_binary  # noqa: E402
from pynetdicom import pdu as dicom_pdu  # noqa: E402
from scapy.contrib import enipTCP, modbus  # noqa: E402

from golden import Golden  # noqa: E402


def modbus_():
    g = Golden("modbus", "Modbus TCP", "Modbus Messaging on TCP/IP Implementation Guide V1.0b, section 3.1 (MBAP header)", "scapy")
    g.client(bytes(modbus.ModbusADURequest(transId=1, unitId=17) / modbus.ModbusPDU03ReadHoldingRegistersRequest(startAddr=107, quantity=3)), "read three registers")
    g.client(bytes(modbus.ModbusADURequest(transId=2, unitId=17) / modbus.ModbusPDU06WriteSingleRegisterRequest(registerAddr=1, registerValue=3)), "write one")
    g.server(bytes(modbus.ModbusADUResponse(transId=1, unitId=17) / modbus.ModbusPDU03ReadHoldingRegistersResponse(registerVal=[555, 0, 100])), "")
    g.server(bytes(modbus.ModbusADUResponse(transId=2, unitId=17) / modbus.ModbusPDU06WriteSingleRegisterError(exceptCode=2)), "an exception")
    g.write()


def tpkt():
    g = Golden("tpkt", "TPKT: S7comm, MMS, RDP, H.323", "RFC 1006 section 6, ISO 8073 (COTP inside); by hand")
    connect = bytes([0x11, 0xE0, 0, 0, 0, 1, 0, 0xC0, 1, 0x0A, 0xC1, 2, 1, 0, 0xC2, 2, 1, 2])
    g.client(struct.pack("!BBH", 3, 0, 4 + len(connect)) + connect, "COTP connect request, as S7 sends it")
    setup = bytes.fromhex("02f080" "32010000000000080000f0000001000101e0")
    g.client(struct.pack("!BBH", 3, 0, 4 + len(setup)) + setup, "COTP data: S7 set up communication")
    confirm = bytes([0x11, 0xD0, 0, 1, 0, 2, 0, 0xC0, 1, 0x0A, 0xC1, 2, 1, 0, 0xC2, 2, 1, 2])
    g.server(struct.pack("!BBH", 3, 0, 4 + len(confirm)) + confirm, "COTP connect confirm")
    g.server(struct.pack("!BBH", 3, 0, 4 + len(setup)) + setup, "COTP data")
    g.write()


def iec104():
    g = Golden("iec104", "IEC 60870-5-104", "IEC 60870-5-104 section 5 (APCI); by hand")
    g.client(bytes([0x68, 4, 0x07, 0, 0, 0]), "STARTDT act")
    interrogation = bytes([100, 1, 6, 0, 1, 0, 0, 0, 0, 20])
    g.client(bytes([0x68, 4 + len(interrogation), 0, 0, 0, 0]) + interrogation, "C_IC_NA_1")
    g.server(bytes([0x68, 4, 0x0B, 0, 0, 0]), "STARTDT con")
    g.server(bytes([0x68, 4, 1, 0, 2, 0]), "S frame")
    g.write()


def enip():
    g = Golden("enip", "EtherNet/IP encapsulation", "ODVA CIP volume 2, section 2-3 (encapsulation)", "scapy")
    g.client(bytes(enipTCP.ENIPTCP(commandId=0x65, session=0, length=4) / enipTCP.ENIPRegisterSession()), "RegisterSession")
    g.client(bytes(enipTCP.ENIPTCP(commandId=0x63, session=1, length=0)), "ListIdentity: the header alone")
    g.server(bytes(enipTCP.ENIPTCP(commandId=0x65, session=1, length=4) / enipTCP.ENIPRegisterSession()), "RegisterSession")
    g.server(bytes(enipTCP.ENIPTCP(commandId=0x66, session=1, length=0)), "UnregisterSession")
    g.write()


def dicom():
    g = Golden("dicom", "DICOM upper layer", "DICOM PS3.8 section 9.3", "pynetdicom")
    release, abort, answer = dicom_pdu.A_RELEASE_RQ(), dicom_pdu.A_ABORT_RQ(), dicom_pdu.A_RELEASE_RP()
    abort.source, abort.reason_diagnostic = 0, 0
    # A P-DATA-TF with one presentation data value, section 9.3.5.
    value = b"\x01\x03" + b"\0\0\x02\0\x12\0\0\0" + b"1.2.840.10008.1.1\0"
    pdata = b"\x04\0" + struct.pack("!I", 4 + len(value)) + struct.pack("!I", len(value)) + value
    g.client(pdata, "P-DATA-TF, by hand")
    g.client(release.encode(), "A-RELEASE-RQ")
    g.server(answer.encode(), "A-RELEASE-RP")
    g.server(abort.encode(), "A-ABORT")
    g.write()


def opcua():
    g = Golden("opcua", "OPC UA TCP", "OPC UA Part 6, section 7.1.2 (connection protocol)", "asyncua")
    hello = ua.Hello()
    hello.EndpointUrl = "opc.tcp://example.test:4840"

    def message(kind, struct_):
        body = ua_binary.struct_to_binary(struct_)
        return kind + b"F" + struct.pack("<I", 8 + len(body)) + body

    g.client(message(b"HEL", hello), "Hello")
    g.client(b"CLOF" + struct.pack("<I", 12) + struct.pack("<I", 1), "CloseSecureChannel, its header alone, by hand")
    g.server(message(b"ACK", ua.Acknowledge()), "Acknowledge")
    error = ua.ErrorMessage(ua.StatusCode(ua.StatusCodes.BadTcpEndpointUrlInvalid), "no such endpoint")
    g.server(message(b"ERR", error), "Error")
    g.write()


def hl7_():
    g = Golden("hl7", "HL7 version 2 over MLLP", "HL7 Minimal Lower Layer Protocol, release 1", "hl7")
    text = "MSH|^~\\&|LAB|HOSP|EHR|HOSP|20240101120000||ORU^R01|42|P|2.5\rPID|1||12345\rOBX|1|NM|GLU||98|mg/dL\r"
    message = hl7.parse(text)
    g.client(b"\x0b" + str(message).encode() + b"\x1c\r", "a result", head=1, tail=2)
    g.client(b"\x0b" + text.encode().replace(b"42", b"43") + b"\x1c\r", "another", head=1, tail=2)
    acknowledgement = str(message.create_ack(message_id="1")).encode()
    g.server(b"\x0b" + acknowledgement + b"\x1c\r", "acknowledged", head=1, tail=2)
    g.server(b"\x0b" + acknowledgement + b"\x1c\r", "the second too", head=1, tail=2)
    g.write()


if __name__ == "__main__":
    for write in [modbus_, tpkt, iec104, enip, dicom, opcua, hl7_]:
        write()
