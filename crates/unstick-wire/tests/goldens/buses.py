"""Modbus on serial lines: as pymodbus builds its frames.

pip install pymodbus
"""

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, FileRecord, bit_message, diag_message, file_message, mei_message, other_message, register_message

from golden import Golden

DEVICE = 17


def modbus_rtu():
    g = Golden("modbus-rtu", "Modbus RTU", "MODBUS over Serial Line V1.02, section 2.5.1; MODBUS Application Protocol V1.1b3, section 6", "pymodbus")
    framer = FramerRTU(DecodePDU(False))

    def sends(way, pdu, note):
        pdu.dev_id = DEVICE
        way(framer.buildFrame(pdu), note, head=0, tail=2)

    bits, registers, files, mei, other = bit_message, register_message, file_message, mei_message, other_message
    for pdu, note in [
        (bits.ReadCoilsRequest(address=19, count=37), "01: read coils"),
        (bits.ReadDiscreteInputsRequest(address=196, count=22), "02: read inputs"),
        (registers.ReadHoldingRegistersRequest(address=107, count=3), "03: read registers"),
        (registers.ReadInputRegistersRequest(address=8, count=1), "04: read input registers"),
        (bits.WriteSingleCoilRequest(address=172, bits=[True]), "05: write a coil"),
        (registers.WriteSingleRegisterRequest(address=1, registers=[3]), "06: write a register"),
        (other.ReadExceptionStatusRequest(), "07: read exception status"),
        (diag_message.ReturnQueryDataRequest(0xA537), "08: diagnostics"),
        (other.GetCommEventCounterRequest(), "0b: event counter"),
        (other.GetCommEventLogRequest(), "0c: event log"),
        (bits.WriteMultipleCoilsRequest(address=19, bits=[True, False] * 5), "0f: write coils"),
        (registers.WriteMultipleRegistersRequest(address=1, registers=[10, 258]), "10: write registers"),
        (other.ReportDeviceIdRequest(), "11: report the device's ID"),
        (files.ReadFileRecordRequest([FileRecord(file_number=4, record_number=1, record_length=2)]), "14: read a file"),
        (files.WriteFileRecordRequest([FileRecord(file_number=4, record_number=7, record_data=b"\x06\xaf\x04\xbe")]), "15: write a file"),
        (registers.MaskWriteRegisterRequest(address=4, and_mask=0xF2, or_mask=0x25), "16: mask a register"),
        (registers.ReadWriteMultipleRegistersRequest(read_address=3, read_count=6, write_address=14, write_registers=[255, 255]), "17: write and read registers"),
        (files.ReadFifoQueueRequest(address=1246), "18: read a FIFO"),
        (mei.ReadDeviceInformationRequest(read_code=1, object_id=0), "2b: read a device's identification"),
    ]:
        sends(g.client, pdu, note)
    for pdu, note in [
        (bits.ReadCoilsResponse(bits=[True, False] * 18), "01"),
        (bits.ReadDiscreteInputsResponse(bits=[True] * 22), "02"),
        (registers.ReadHoldingRegistersResponse(registers=[555, 0, 100]), "03"),
        (registers.ReadInputRegistersResponse(registers=[10]), "04"),
        (bits.WriteSingleCoilResponse(address=172, bits=[True]), "05"),
        (registers.WriteSingleRegisterResponse(address=1, registers=[3]), "06"),
        (other.ReadExceptionStatusResponse(status=0x6D), "07"),
        (diag_message.ReturnQueryDataResponse(0xA537), "08"),
        (other.GetCommEventCounterResponse(count=264), "0b"),
        (other.GetCommEventLogResponse(status=True, message_count=289, event_count=264, events=[0x20, 0]), "0c"),
        (bits.WriteMultipleCoilsResponse(address=19, count=10), "0f"),
        (registers.WriteMultipleRegistersResponse(address=1, count=2), "10"),
        (other.ReportDeviceIdResponse(identifier=b"device", status=True), "11"),
        (files.ReadFileRecordResponse([FileRecord(file_number=4, record_number=1, record_data=b"\x0d\xfe\x00\x20")]), "14"),
        (files.WriteFileRecordResponse([FileRecord(file_number=4, record_number=7, record_data=b"\x06\xaf\x04\xbe")]), "15"),
        (registers.MaskWriteRegisterResponse(address=4, and_mask=0xF2, or_mask=0x25), "16"),
        (registers.ReadWriteMultipleRegistersResponse(registers=[254, 2765]), "17"),
        (files.ReadFifoQueueResponse(values=[440, 4740]), "18"),
        (mei.ReadDeviceInformationResponse(read_code=1, information={0: b"Company", 1: b"Code", 2: b"V2.11"}), "2b: objects with lengths of their own"),
        (ExceptionResponse(3, 2), "an exception"),
    ]:
        sends(g.server, pdu, note)
    g.write()


modbus_rtu()
