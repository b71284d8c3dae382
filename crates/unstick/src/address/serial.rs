//! `serial:PATH?baud=115200,parity=even`: a serial line's path and settings.
//!
//! Not here: opening the line, which is in [`crate::endpoint`].

use std::fmt;
use std::path::PathBuf;

use unstick_wire::quantity::parse_number;

use crate::error::{Error, Result};

/// A serial line: its path, and how bytes are sent on it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SerialLine {
    /// The device, such as `/dev/ttyUSB0`.
    pub path: PathBuf,
    /// Bits a second, including start, parity and stop bits. Default: 9600.
    pub baud: u32,
    /// Bits of a byte: 5 to 8. Default: 8.
    pub data: u8,
    /// The parity bit of each byte. Default: none.
    pub parity: Parity,
    /// Stop bits: 1 or 2. Default: 1.
    pub stop: u8,
    /// How a receiver makes its sender wait. Default: not at all.
    pub flow: Flow,
}

/// The parity bit of each byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parity {
    /// No parity bit.
    #[default]
    None,
    /// An odd number of ones.
    Odd,
    /// An even number of ones.
    Even,
}

/// How a receiver makes its sender wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// Not at all.
    #[default]
    None,
    /// By the wires RTS and CTS.
    Hardware,
    /// By the bytes XON (11) and XOFF (13), which can then be no content.
    Software,
}

/// Default bits a second: what terminals and programs for serial lines start with.
const BAUD: u32 = 9600;

/// The settings, with their possible values.
const SETTINGS: &str = "baud=N, data=5 to 8, parity=none, odd or even, stop=1 or 2, flow=none, hardware or software";

impl SerialLine {
    /// Creates a line with 9600 baud, 8 data bits, no parity, 1 stop bit and no flow control.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), baud: BAUD, data: 8, parity: Parity::None, stop: 1, flow: Flow::None }
    }

    /// Number of bits on the line for each byte: a start bit, the byte, its parity and its stop bits.
    pub fn bits_per_byte(&self) -> u32 {
        1 + u32::from(self.data) + u32::from(self.parity != Parity::None) + u32::from(self.stop)
    }

    /// Parses `PATH[?KEY=VALUE,...]`. `///PATH`, as URLs have it, is the same as `/PATH`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (path, settings) = text.split_once('?').map_or((text, None), |(path, settings)| (path, Some(settings)));
        let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        if path.is_empty() {
            return Err(Error::usage("serial: needs the path of a serial line")
                .with_hint("such as serial:/dev/ttyUSB0?baud=115200"));
        }
        let mut line = Self::new(path);
        let mut seen = Vec::new();
        for setting in settings.into_iter().flat_map(|settings| settings.split([',', '&'])) {
            let (key, value) = setting.split_once('=').ok_or_else(|| no_setting(setting))?;
            if seen.contains(&key) {
                return Err(Error::usage(format!("`{key}` occurs twice in serial:{text}")).with_hint("name it once"));
            }
            seen.push(key);
            line.set(key, value)?;
        }
        Ok(line)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let wrong = |values: &str| {
            Err(Error::usage(format!("`{key}={value}` is not a setting of a serial line")).with_hint(values))
        };
        let number = parse_number::<u32>(value);
        match (key, number, value) {
            // A rate of 0 means to hang up.
            ("baud", Some(baud), _) if baud > 0 => self.baud = baud,
            ("data", Some(bits @ 5..=8), _) => self.data = bits as u8,
            ("stop", Some(bits @ 1..=2), _) => self.stop = bits as u8,
            ("parity", _, "none") => self.parity = Parity::None,
            ("parity", _, "odd") => self.parity = Parity::Odd,
            ("parity", _, "even") => self.parity = Parity::Even,
            ("flow", _, "none") => self.flow = Flow::None,
            ("flow", _, "hardware") => self.flow = Flow::Hardware,
            ("flow", _, "software") => self.flow = Flow::Software,
            ("baud", ..) => return wrong("baud is a number of bits a second, such as baud=115200"),
            ("data", ..) => return wrong("data=5, data=6, data=7 or data=8"),
            ("stop", ..) => return wrong("stop=1 or stop=2"),
            ("parity", ..) => return wrong("parity=none, parity=odd or parity=even"),
            ("flow", ..) => return wrong("flow=none, flow=hardware (RTS and CTS) or flow=software (XON and XOFF)"),
            _ => return Err(no_setting(&format!("{key}={value}"))),
        }
        Ok(())
    }
}

/// Guesses what was meant by an unknown setting, from the words of other programs for serial lines.
fn no_setting(setting: &str) -> Error {
    let (key, value) = setting.split_once('=').map_or((setting, ""), |(key, value)| (key, value));
    let value = if value.is_empty() { "N" } else { value };
    let frame = setting.as_bytes();
    let hint = match key.to_ascii_lowercase().replace(['_', '-'], "").as_str() {
        number if parse_number::<u32>(number).is_some() => format!("write baud={number}"),
        "speed" | "baudrate" | "ispeed" | "ospeed" | "b" => format!("write baud={value}"),
        "bits" | "databits" | "bytesize" | "size" => format!("write data={value}"),
        "stopbits" | "stopbit" => format!("write stop={value}"),
        "rtscts" | "crtscts" => "write flow=hardware".to_owned(),
        "xonxoff" | "ixon" => "write flow=software".to_owned(),
        short if is_short(frame) => {
            let parity = match &short[1..2] {
                "n" => "none",
                "o" => "odd",
                _ => "even",
            };
            format!("write data={},parity={parity},stop={}", &short[..1], &short[2..])
        }
        _ => SETTINGS.to_owned(),
    };
    Error::usage(format!("`{setting}` is not a setting of a serial line")).with_hint(hint)
}

/// Whether the text is data bits, parity and stop bits in three characters: `8N1`.
fn is_short(frame: &[u8]) -> bool {
    matches!(frame, [b'5'..=b'8', b'n' | b'N' | b'o' | b'O' | b'e' | b'E', b'1' | b'2'])
}

/// Returns the address of a serial line, if the text would be one with `serial:` in front: a device's path, then a
/// number that is its baud rate.
pub(super) fn meant(text: &str) -> Option<String> {
    let (path, baud) = match text.rsplit_once(':') {
        Some((path, baud)) if parse_number::<u32>(baud).is_some() => (path, Some(baud)),
        _ => (text, None),
    };
    let name = path.strip_prefix("/dev/")?;
    let device = ["tty", "cu.", "pts/", "rfcomm", "serial"].iter().any(|begin| name.starts_with(begin));
    device.then(|| match baud {
        None if path.contains('?') => format!("serial:{path}"),
        baud => format!("serial:{path}?baud={}", baud.unwrap_or("115200")),
    })
}

impl fmt::Display for SerialLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}?baud={}", self.path.display(), self.baud)?;
        if self.data != 8 {
            write!(f, ",data={}", self.data)?;
        }
        match self.parity {
            Parity::None => {}
            Parity::Odd => f.write_str(",parity=odd")?,
            Parity::Even => f.write_str(",parity=even")?,
        }
        if self.stop != 1 {
            write!(f, ",stop={}", self.stop)?;
        }
        match self.flow {
            Flow::None => Ok(()),
            Flow::Hardware => f.write_str(",flow=hardware"),
            Flow::Software => f.write_str(",flow=software"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Address;
    use crate::address::tests::shown;

    #[test]
    fn settings_are_those_that_serial_users_know() {
        assert_eq!(shown("serial:/dev/ttyS0"), "serial:/dev/ttyS0?baud=9600");
        assert_eq!(shown("serial:///dev/ttyS0?baud=115200"), "serial:/dev/ttyS0?baud=115200");
        let all = "serial:/dev/ttyS0?baud=1200,data=7,parity=even,stop=2,flow=software";
        assert_eq!(shown(all), all);
        assert_eq!(shown(&all.replace(',', "&")), all);
        let odd = "serial:/dev/ttyS0?baud=250000,parity=odd,flow=hardware";
        assert_eq!(shown("serial:/dev/ttyS0?flow=hardware&parity=odd,baud=250000,stop=1,data=8"), odd);
        assert_eq!(shown("serial:/dev/ttyS0?parity=none,flow=none"), "serial:/dev/ttyS0?baud=9600");
        let Address::Serial(line) = all.parse().unwrap() else { panic!("{all} is a serial line") };
        assert_eq!(line.bits_per_byte(), 11);
    }

    #[test]
    fn wrong_settings_say_what_can_be_written() {
        let wrong = |settings: &str| {
            let said = shown(&format!("serial:/dev/ttyS0?{settings}"));
            let (what, hint) = said.split_once(" is not a setting of a serial line (").expect("an error");
            assert!(settings.contains(what.trim_matches('`')), "{said}");
            hint.trim_end_matches(')').to_owned()
        };
        assert_eq!(wrong("baud=fast"), "baud is a number of bits a second, such as baud=115200");
        for baud in ["baud=0", "baud=", "baud=+9600", "baud=4294967296", "baud=-1"] {
            assert_eq!(wrong(baud), "baud is a number of bits a second, such as baud=115200");
        }
        assert_eq!(wrong("data=9"), "data=5, data=6, data=7 or data=8");
        assert_eq!(wrong("data=4"), "data=5, data=6, data=7 or data=8");
        assert_eq!(wrong("stop=3"), "stop=1 or stop=2");
        assert_eq!(wrong("stop=1.5"), "stop=1 or stop=2");
        assert_eq!(wrong("parity=N"), "parity=none, parity=odd or parity=even");
        assert_eq!(
            wrong("flow=rtscts"),
            "flow=none, flow=hardware (RTS and CTS) or flow=software (XON and XOFF".to_owned()
        );
        assert_eq!(wrong("115200"), "write baud=115200");
        assert_eq!(wrong("speed=9600"), "write baud=9600");
        assert_eq!(wrong("baud=9600,8N1"), "write data=8,parity=none,stop=1");
        assert_eq!(wrong("7e2"), "write data=7,parity=even,stop=2");
        assert_eq!(wrong("baudrate=300"), "write baud=300");
        assert_eq!(wrong("stop_bits=2"), "write stop=2");
        assert_eq!(wrong("rtscts=1"), "write flow=hardware");
        assert_eq!(wrong("colour=blue"), super::SETTINGS);
        assert_eq!(wrong(""), super::SETTINGS);
        assert_eq!(shown("serial:/a?stop=1,stop=2"), "`stop` occurs twice in serial:/a?stop=1,stop=2 (name it once)");
        let pathless = "serial: needs the path of a serial line (such as serial:/dev/ttyUSB0?baud=115200)";
        assert_eq!(shown("serial:"), pathless);
        assert_eq!(shown("serial:?baud=9600"), pathless);
    }

    #[test]
    fn a_bare_device_is_told_its_scheme() {
        let hint = |text: &str| text.parse::<Address>().unwrap_err().hint().unwrap_or_default().to_owned();
        assert_eq!(hint("/dev/ttyUSB0"), "a serial line is written serial:/dev/ttyUSB0?baud=115200");
        assert_eq!(hint("/dev/ttyUSB0:9600"), "a serial line is written serial:/dev/ttyUSB0?baud=9600");
        assert_eq!(hint("/dev/ttyS0?baud=300"), "a serial line is written serial:/dev/ttyS0?baud=300");
        assert_eq!(hint("tty:/dev/ttyACM0"), "a serial line is written serial:/dev/ttyACM0?baud=115200");
        assert_eq!(hint("/dev/log"), "a socket's path is written unix:/dev/log");
    }
}
