//! Presets of devices on serial lines, and of the debuggers that use them.

use super::row::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Serial lines and debuggers",
    presets: &[
        Preset::binary("slip", "SLIP", 0, "RFC 1055", "slip").on_serial("baud=9600"),
        Preset::binary(
            "ppp",
            "PPP in HDLC-like framing",
            0,
            "RFC 1662 sections 3.1, 4.2 and 7.1",
            "hdlc,escape=controls",
        )
        .on_serial("baud=115200"),
        Preset::binary("cobs", "COBS", 0, "Cheshire and Baker, Consistent Overhead Byte Stuffing, 1999", "cobs")
            .on_serial("baud=115200"),
        Preset::binary(
            "modbus-rtu",
            "Modbus RTU",
            0,
            "MODBUS over Serial Line V1.02 section 2.5.1",
            "modbus-rtu-frame:client",
        )
        .answers("modbus-rtu-frame:server")
        // The default of the document, section 2.5.1; many devices are delivered with 9600 and no parity.
        .on_serial("baud=19200,parity=even"),
        Preset::binary("dle", "Blocks between DLE STX and DLE ETX", 0, "ISO 1745, ISO 2111", "dle")
            .on_serial("baud=9600"),
        Preset::lines("nmea", "NMEA 0183 and AIS", 10110, "NMEA 0183 version 4, sentence structure", "crlf")
            .also(&["ais"])
            .on_serial("baud=4800"),
        // A modem's echo ends in CR, and the CRLF before each response makes an empty line.
        Preset::lines("at", "AT commands of modems", 0, "ITU-T V.250 sections 5.2.1 and 5.7", "delim:0d")
            .answers("crlf")
            .on_serial("baud=115200"),
        Preset::text(
            "gdb",
            "GDB remote serial protocol",
            0,
            "GDB manual, appendix E, Overview and Notification Packets",
            "gdb-packet",
        )
        .on_serial("baud=115200"),
    ],
};
