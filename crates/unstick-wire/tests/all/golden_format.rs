//! Parses a line of a golden file into bytes: the format of `tests/goldens/README.md`. The seeds of the fuzz targets
//! use it too.

/// A frame and its message: the text after an equals sign, or in brackets, or the whole frame.
pub(crate) fn parse_frame(line: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut frame, mut message) = (Vec::new(), Vec::new());
    let line = line.split(" ; ").next()?;
    if let Some((frame, message)) = line.rsplit_once(" = ").filter(|_| !line.contains('"')) {
        return Some((parse_frame(frame)?.0, parse_frame(message)?.0));
    }
    let mut rest = line;
    let (mut inside, mut bracketed) = (false, false);
    while let Some(first) = rest.chars().next() {
        let (bytes, used) = match first {
            ' ' | '[' | ']' => (Vec::new(), 1),
            '"' => quoted(&rest[1..])?,
            _ => repeated(rest)?,
        };
        (inside, bracketed) = match first {
            '[' => (true, true),
            ']' => (false, true),
            _ => (inside, bracketed),
        };
        if inside {
            message.extend_from_slice(&bytes);
        }
        frame.extend(bytes);
        rest = &rest[used..];
    }
    if !bracketed {
        message.clone_from(&frame);
    }
    Some((frame, message))
}

/// `78`, or `78*200`: a byte, and how often it is repeated.
fn repeated(rest: &str) -> Option<(Vec<u8>, usize)> {
    let byte = u8::from_str_radix(rest.get(..2)?, 16).ok()?;
    let Some(times) = rest[2..].strip_prefix('*') else { return Some((vec![byte], 2)) };
    let digits = times.bytes().take_while(u8::is_ascii_digit).count();
    Some((vec![byte; times[..digits].parse().ok()?], 3 + digits))
}

/// The bytes of a text, and its length with the quotes.
fn quoted(text: &str) -> Option<(Vec<u8>, usize)> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    loop {
        let byte = *text.as_bytes().get(at)?;
        at += 1;
        match byte {
            b'"' => return Some((bytes, at + 1)),
            b'\\' => {
                let (byte, used) = match text.as_bytes().get(at)? {
                    b'r' => (b'\r', 1),
                    b'n' => (b'\n', 1),
                    b't' => (b'\t', 1),
                    b'0' => (0, 1),
                    b'x' => (u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok()?, 3),
                    plain => (*plain, 1),
                };
                bytes.push(byte);
                at += used;
            }
            plain => bytes.push(plain),
        }
    }
}
