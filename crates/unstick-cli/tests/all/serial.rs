//! Serial lines: two pseudo-terminals that socat joins, with the program at one end and another program or the test at
//! the other.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use rustix::termios::tcgetattr;

use crate::rig::{Process, python_of, unstick, unstick_listen};

/// Two ends of one line, and the socat that joins them.
fn line() -> (Process, String, String) {
    let mut socat = Process::start(Command::new("socat").args(["-d", "-d", "pty,rawer", "pty,rawer"]));
    let mut end = || {
        let said = socat.error_line_with("PTY is ");
        said.split_whitespace().last().expect("a path").to_owned()
    };
    let (one, other) = (end(), end());
    socat.error_line_with("starting data transfer loop");
    (socat, one, other)
}

fn device(path: &str) -> File {
    let mut options = File::options();
    options.read(true).write(true).custom_flags(rustix::fs::OFlags::NOCTTY.bits() as i32);
    options.open(path).expect("the line is there")
}

fn take(device: &mut File, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    device.read_exact(&mut bytes).expect("the bytes come");
    bytes
}

#[test]
fn two_programs_talk_on_a_line() {
    let (socat, one, other) = line();
    let mut near = unstick(&["connect", &format!("serial:{one}?baud=19200"), "-f", "line"]);
    let mut far = unstick(&["listen", &format!("serial:{other}?baud=19200"), "-f", "line"]);
    near.feed("question\n");
    assert_eq!(far.line(), "question");
    far.feed("answer\n");
    assert_eq!(near.line(), "answer");
    // A line has no end of file. One side ends after a silence, the other at the hang-up.
    near.end_input();
    assert_eq!((near.rest(), near.code()), (String::new(), 0));
    drop(socat);
    assert_eq!((far.rest(), far.code()), (String::new(), 0), "{}", far.errors());
}

#[test]
fn a_question_is_answered() {
    let (_socat, one, other) = line();
    let _device = unstick(&["listen", &format!("serial:{other}"), "-f", "u16be", "--reply", "pong"]);
    let mut asking = unstick(&["ask", &format!("u16be+serial:{one}"), "ping"]);
    assert_eq!((asking.rest(), asking.code()), ("pong\n".to_owned(), 0));
}

#[test]
fn a_pipe_moves_every_byte_at_the_speed_that_was_asked_for() {
    let (_socat, one, other) = line();
    let every: Vec<u8> = (0..=255).collect();
    let mut pipe = unstick(&["connect", &format!("serial:{one}?baud=57600,stop=2"), "--linger", "200ms"]);
    let mut device = device(&other);
    pipe.feed(&every);
    assert_eq!(take(&mut device, 256), every);
    let speed = tcgetattr(self::device(&one)).expect("a terminal").output_speed();
    assert_eq!(speed, 57_600);
    device.write_all(&every).expect("the line takes bytes");
    pipe.end_input();
    assert_eq!((pipe.rest_bytes(), pipe.code()), (every, 0));
}

#[test]
fn a_line_is_either_side_of_a_bridge() {
    let (_socat, one, other) = line();
    let (_bridge, port) =
        unstick_listen(&["127.0.0.1:0", "--once", "--to", &format!("serial:{one}"), "--linger", "500ms"]);
    let mut client = unstick(&["connect", &format!("127.0.0.1:{port}"), "-f", "line"]);
    let mut device = device(&other);
    client.feed("question\n");
    assert_eq!(take(&mut device, 9), b"question\n");
    device.write_all(b"answer\n").expect("the line takes bytes");
    assert_eq!(client.line(), "answer");
    // The half-close of the client, then silence on the line, end the bridge.
    client.end_input();
    assert_eq!((client.rest(), client.code()), (String::new(), 0));

    let (_socat, one, other) = line();
    let (mut server, port) = unstick_listen(&["127.0.0.1:0", "--echo", "-f", "u16be"]);
    let mut bridge =
        unstick(&["connect", &format!("line+serial:{one}"), "--to", &format!("u16be+tcp://127.0.0.1:{port}")]);
    let mut device = self::device(&other);
    device.write_all(b"echo\n").expect("the line takes bytes");
    assert_eq!(take(&mut device, 5), b"echo\n");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!((server.code(), bridge.code()), (143, 0), "{}", bridge.errors());
}

#[test]
fn a_line_that_another_program_has_is_refused() {
    let (_socat, one, other) = line();
    let mut first = unstick(&["connect", &format!("serial:{one}"), "-f", "line"]);
    // After its first message, it holds the line.
    first.feed("here\n");
    assert_eq!(take(&mut device(&other), 5), b"here\n");
    let mut second = unstick(&["connect", &format!("serial:{one}"), "-f", "line"]);
    let errors = second.errors();
    assert_eq!(second.code(), 3, "{errors}");
    assert!(errors.contains(&format!("{one} is in use by another program")), "{errors}");
    assert!(errors.contains(&format!("fuser -v {one}")), "{errors}");
}

/// A device of pymodbus with three registers, and its client that reads them.
const DEVICE: &str = "
import sys
from pymodbus import FramerType
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import StartSerialServer
device = ModbusDeviceContext(hr=ModbusSequentialDataBlock(1, [555, 0, 100]))
StartSerialServer(ModbusServerContext(devices={17: device}), framer=FramerType.RTU, port=sys.argv[1], baudrate=19200)
";
const CLIENT: &str = "
import sys
from pymodbus.client import ModbusSerialClient
client = ModbusSerialClient(sys.argv[1], baudrate=19200, timeout=15, retries=0)
client.connect()
print(client.read_holding_registers(107, count=3, device_id=17).registers, flush=True)
print(client.write_register(1, 3, device_id=17).exception_code, flush=True)
";

fn pymodbus(code: &str, path: &str) -> Process {
    Process::start(Command::new(python_of("pymodbus[serial]==3.16.1")).args(["-c", code, path]))
}

#[test]
fn a_modbus_device_answers() {
    let (_socat, one, other) = line();
    let mut device = pymodbus(DEVICE, &other);
    // It prints this just before it opens the line. A question that arrives earlier waits in the line.
    device.error_line_with("ModbusServerContext is deprecated");
    let mut asking = unstick(&[
        "ask",
        &format!("serial:{one}?baud=19200"),
        "-f",
        "modbus-rtu",
        "--send-hex",
        "110300000003",
        "--deadline",
        "15s",
    ]);
    assert_eq!((asking.rest(), asking.code()), ("110306022b00000064\n".to_owned(), 0));
    // The device has no register there.
    let mut asking =
        unstick(&["ask", &format!("serial:{one}?baud=19200"), "-f", "modbus-rtu", "--send-hex", "110300c80001"]);
    assert_eq!((asking.rest(), asking.code()), ("118302\n".to_owned(), 0));
}

#[test]
fn a_modbus_client_is_answered() {
    let (_socat, one, other) = line();
    let mut device = unstick(&["listen", &format!("serial:{one}?baud=19200"), "-f", "modbus-rtu", "--io", "hex"]);
    let mut client = pymodbus(CLIENT, &other);
    assert_eq!(device.line(), "1103006b0003");
    device.feed("110306022b00000064\n");
    assert_eq!(client.line(), "[555, 0, 100]");
    assert_eq!(device.line(), "110600010003");
    device.feed("118602\n");
    assert_eq!(client.line(), "2");
}

#[test]
fn wrong_use_of_a_line_is_told_what_to_write() {
    let wrong: [(&[&str], &str, &str); 6] = [
        (
            &["connect", "/dev/ttyUSB0"],
            "`/dev/ttyUSB0` is not a host and a port",
            "a serial line is written serial:/dev/ttyUSB0?baud=115200",
        ),
        (
            &["connect", "/dev/ttyUSB0", "9600"],
            "`/dev/ttyUSB0:9600` is not a host and a port",
            "a serial line is written serial:/dev/ttyUSB0?baud=9600",
        ),
        (
            &["ask", "serial:/dev/ttyUSB0?8N1", "x"],
            "`8N1` is not a setting of a serial line",
            "write data=8,parity=none,stop=1",
        ),
        (&["listen", "serial:"], "serial: needs the path of a serial line", "such as serial:/dev/ttyUSB0?baud=115200"),
        (&["connect", "serial:/dev/null"], "/dev/null is not a serial line", "'exec:cat /dev/null' reads a file"),
        (
            &["shake", "--send", "x", "--to", "serial:/dev/ttyUSB0"],
            "shake needs a new connection for each case, and serial:/dev/ttyUSB0?baud=9600 has only one",
            "unstick ask 'serial:/dev/ttyUSB0?baud=9600' MESSAGE sends it one message",
        ),
    ];
    for (arguments, what, hint) in wrong {
        let mut process = unstick(arguments);
        let errors = process.errors();
        assert_eq!(process.code(), 2, "{arguments:?}: {errors}");
        assert!(errors.contains(what) && errors.contains(hint), "{arguments:?}: {errors}");
    }
}

/// The command that `framings` suggests for a protocol of serial lines works in a shell, and opens a serial line.
#[test]
fn protocols_of_serial_lines_are_suggested_on_serial_lines() {
    for preset in ["ppp", "modbus-rtu", "nmea", "at", "gdb", "dnp3"] {
        let told = unstick(&["framings", preset]).rest();
        let suggested = told.lines().find_map(|line| Some(&line[line.find("unstick connect 'serial:")?..]));
        let line = suggested.unwrap_or_else(|| panic!("{told}"));
        let line = line.replacen("unstick", env!("CARGO_BIN_EXE_unstick"), 1).replace("/dev/ttyUSB0", "/nowhere/tty");
        let mut shell = Process::start(Command::new("sh").args(["-c", &line]));
        shell.end_input();
        assert_eq!(shell.code(), 3, "{line}: {}", shell.errors());
        assert!(shell.errors().contains("/nowhere/tty"), "{}", shell.errors());
    }
    let told = unstick(&["framings", "nmea"]).rest();
    assert!(told.contains("unstick connect 10110 -f nmea"), "{told}");
    let told = unstick(&["framings", "modbus-rtu"]).rest();
    assert!(!told.contains("PORT"), "{told}");
    let told = unstick(&["framings", "someip"]).rest();
    assert!(told.contains("unstick connect PORT -f someip") && !told.contains("serial"), "{told}");
}
