//! Presets of machines, cars and hospitals.

use super::row::{Family, Preset};

pub(super) const FAMILY: Family = Family {
    title: "Industrial machines and devices",
    presets: &[
        Preset::binary(
            "modbus",
            "Modbus TCP",
            502,
            "Modbus Messaging on TCP/IP V1.0b section 3.1",
            "length:off=4,width=2",
        ),
        Preset::binary(
            "tpkt",
            "TPKT: S7comm, MMS, RDP, H.323",
            102,
            "RFC 1006 section 6",
            "length:off=2,width=2,adj=-4",
        )
        .also(&["s7comm", "rdp"]),
        Preset::binary("iec104", "IEC 60870-5-104", 2404, "IEC 60870-5-104 section 5", "length:off=1,width=1"),
        Preset::binary(
            "enip",
            "EtherNet/IP encapsulation",
            44818,
            "ODVA CIP volume 2 section 2-3",
            "length:off=2,width=2,endian=le,adj=20",
        )
        .also(&["ethernet-ip"]),
        Preset::binary(
            "opcua",
            "OPC UA TCP",
            4840,
            "OPC UA Part 6 section 7.1.2",
            "length:off=4,width=4,endian=le,adj=-8",
        ),
        Preset::binary("doip", "Diagnostics over IP", 13400, "ISO 13400-2, generic header", "length:off=4,width=4"),
        Preset::binary("someip", "SOME/IP", 0, "AUTOSAR PRS_SOMEIPProtocol section 4.1.2", "length:off=4,width=4"),
        Preset::binary("dicom", "DICOM upper layer", 104, "DICOM PS3.8 section 9.3", "length:off=2,width=4"),
        Preset::binary("jt808", "JT/T 808: terminals of vehicles", 0, "JT/T 808-2019 section 4.4", "jt808-frame"),
        Preset::text("hl7", "HL7 version 2 over MLLP", 2575, "HL7 Minimal Lower Layer Protocol, release 1", "mllp"),
        Preset::binary("dnp3", "DNP3 link layer", 20000, "IEEE 1815 section 9.2.4", "dnp3-frame")
            .on_serial("baud=9600"),
    ],
};
