//! `serial:PATH?baud=...`: a serial line, whose bytes pass unchanged.
//!
//! A serial line has one peer and no end that either side sees: nothing tells the peer that this side has sent
//! everything. Once the sending side is shut down, the line counts as ended when it has been silent for a while.
//! Listening opens the line as connecting does, and its one peer is there at once.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, isatty, tcflush, tcgetattr,
    tcsetattr,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::options::Options;
use super::transport::{Accept, PeerAddrs, StreamRead, StreamTransport, StreamWrite, Transport};
use crate::address::{Flow, Parity, SerialLine};
use crate::advice::Advice;
use crate::error::{Error, Result};

/// Percentage by which a line's actual baud rate may differ from the requested one. Drivers round to what their clock
/// divides into; beyond this, bytes are misread.
const BAUD_TOLERANCE: u32 = 3;

/// Maximum number of bytes that drivers of serial lines hold: this may still be unsent once they have taken everything.
const DRIVER_BUFFER: u32 = 4096;

/// Opens the line.
pub(super) async fn connect(line: &SerialLine, options: &Options) -> Result<StreamTransport> {
    super::resolve::retrying(options, async || open(line, options)).await
}

/// Opens the line, whose peer is the only one.
pub(super) fn listen(line: &SerialLine, options: &Options) -> Result<Listener> {
    let end = open(line, options)?;
    Ok(Listener { addresses: [format!("serial:{line}")], end: Some(end) })
}

pub(super) struct Listener {
    addresses: [String; 1],
    end: Option<StreamTransport>,
}

impl Accept for Listener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<Transport>> + Send + '_>> {
        match self.end.take() {
            Some(end) => Box::pin(std::future::ready(Ok(Transport::Stream(end)))),
            None => Box::pin(std::future::pending()),
        }
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn serves_one(&self) -> bool {
        true
    }
}

fn open(line: &SerialLine, options: &Options) -> Result<StreamTransport> {
    let path = line.path.display();
    // Without NONBLOCK, opening waits for a modem's carrier.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let tty = rustix::fs::open(&line.path, flags, Mode::empty()).map_err(|error| not_opened(line, error))?;
    if !isatty(&tty) {
        let error = Error::usage(format!("{path} is not a serial line"));
        return Err(error.with_hint(format!("unix:{path} connects to a socket, 'exec:cat {path}' reads a file")));
    }
    // Two programs on one line would each read a part of the data.
    if flock(&tty, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        let error = Error::unreachable(format!("{path} is in use by another program"), None);
        return Err(error
            .with_hint(format!("end that program (`fuser -v {path}` names it)"))
            .with_advice(Advice::Retry));
    }
    set(line, &tty, options)?;
    let failed = |error| Error::io("the serial line", error);
    let tty = Arc::new(registered(tty).map_err(failed)?);
    let (finish, finished) = oneshot::channel();
    let names = PeerAddrs::new(format!("serial:{path}"), "here");
    let byte = if is_pseudo(&tty) { Duration::ZERO } else { time_of_a_byte(line) };
    let reader = Reader { tty: Arc::clone(&tty), phase: Phase::Open(finished), quiet: options.serial_quiet };
    let writer = Writer { tty, finish: Some(finish), byte, sent: Instant::now() };
    Ok(StreamTransport { reader: Box::new(reader), writer: Box::new(writer), names })
}

/// Registers the line with the runtime. tokio has deprecated this for types that may lie about their descriptor, which
/// an `OwnedFd` does not. Its replacement is unsafe code, which this crate forbids.
#[allow(deprecated)]
fn registered(tty: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(tty)
}

fn not_opened(line: &SerialLine, error: Errno) -> Error {
    let path = line.path.display();
    let has_settings = path.to_string().contains([',', '&']);
    let is_missing = match error {
        Errno::NOENT => !has_settings,
        other => matches!(other, Errno::NXIO | Errno::NODEV | Errno::IO),
    };
    let hint = match error {
        Errno::NOENT if has_settings => "write settings after a ?: serial:PATH?baud=115200,parity=even".to_owned(),
        _ if is_missing => "`ls /dev/serial/by-id` names the adapters that are plugged in".to_owned(),
        Errno::ACCESS | Errno::PERM => {
            format!(
                "`ls -l {path}` names its group, often dialout: `sudo usermod -aG dialout $USER`, then log in again"
            )
        }
        _ => String::new(),
    };
    let error = Error::unreachable(format!("cannot open {path}"), io::Error::from(error));
    let error = if is_missing { error.with_advice(Advice::Retry) } else { error };
    if hint.is_empty() { error } else { error.with_hint(hint) }
}

/// Applies the settings, and checks that they took effect.
fn set(line: &SerialLine, tty: &OwnedFd, options: &Options) -> Result<()> {
    let failed = |error: Errno| Error::io("the settings of the serial line", error.into());
    let mut wanted = tcgetattr(tty).map_err(failed)?;
    let no_such_speed = || refused(line, &format!("baud={}", line.baud));
    wanted.set_speed(line.baud).map_err(|_| no_such_speed())?;
    settle(&mut wanted, line);
    match tcsetattr(tty, OptionalActions::Now, &wanted) {
        Err(Errno::INVAL | Errno::RANGE) => return Err(no_such_speed()),
        set => set.map_err(failed)?,
    }
    // The system reports success if any setting took effect.
    let found = tcgetattr(tty).map_err(failed)?;
    if let Some(setting) = differs(line, &wanted, &found) {
        if !is_pseudo(tty) {
            return Err(refused(line, &setting));
        }
        // A pseudo-terminal has no bits that these settings could apply to.
        options.tell(|| format!("{} is a pseudo-terminal, on which {setting} means nothing", line.path.display()));
    }
    Ok(())
}

fn refused(line: &SerialLine, setting: &str) -> Error {
    let error = Error::usage(format!("{} does not take {setting}", line.path.display()));
    error.with_hint("its driver knows fewer settings: ask the device's manual for another")
}

/// Sets the modes for raw bytes with the line's settings.
fn settle(modes: &mut Termios, line: &SerialLine) {
    modes.make_raw();
    modes.input_modes -= InputModes::IXON | InputModes::IXOFF | InputModes::IXANY;
    modes.input_modes -= InputModes::INPCK | InputModes::IGNPAR;
    // A break does not count as a byte.
    modes.input_modes |= InputModes::IGNBRK;
    modes.control_modes -= ControlModes::CSIZE | ControlModes::CSTOPB | ControlModes::PARENB | ControlModes::PARODD;
    modes.control_modes -= ControlModes::CRTSCTS;
    // The line does not depend on a modem's carrier.
    modes.control_modes |= ControlModes::CREAD | ControlModes::CLOCAL;
    modes.control_modes |= match line.data {
        5 => ControlModes::CS5,
        6 => ControlModes::CS6,
        7 => ControlModes::CS7,
        _ => ControlModes::CS8,
    };
    match line.parity {
        Parity::None => {}
        Parity::Even => modes.control_modes |= ControlModes::PARENB,
        Parity::Odd => modes.control_modes |= ControlModes::PARENB | ControlModes::PARODD,
    }
    if line.parity != Parity::None {
        // A byte with wrong parity is read as 0, not as its damaged value.
        modes.input_modes |= InputModes::INPCK;
    }
    if line.stop == 2 {
        modes.control_modes |= ControlModes::CSTOPB;
    }
    match line.flow {
        Flow::None => {}
        Flow::Hardware => modes.control_modes |= ControlModes::CRTSCTS,
        Flow::Software => modes.input_modes |= InputModes::IXON | InputModes::IXOFF,
    }
    // A read waits for one byte, without a timeout: with 0 bytes it would return at once, as at an end.
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
}

/// Returns the first setting that did not take effect.
fn differs(line: &SerialLine, wanted: &Termios, found: &Termios) -> Option<String> {
    let other = |of: ControlModes| (wanted.control_modes ^ found.control_modes).intersects(of);
    let speed = found.output_speed();
    if speed.abs_diff(line.baud) > line.baud / 100 * BAUD_TOLERANCE {
        return Some(format!("baud={}", line.baud));
    }
    if other(ControlModes::CSIZE) {
        return Some(format!("data={}", line.data));
    }
    if other(ControlModes::PARENB | ControlModes::PARODD) {
        return Some(format!("parity={}", format!("{:?}", line.parity).to_lowercase()));
    }
    if other(ControlModes::CSTOPB) {
        return Some(format!("stop={}", line.stop));
    }
    let software = InputModes::IXON | InputModes::IXOFF;
    let flows = other(ControlModes::CRTSCTS) || (wanted.input_modes ^ found.input_modes).intersects(software);
    flows.then(|| format!("flow={}", format!("{:?}", line.flow).to_lowercase()))
}

/// Whether a program is at the other end, without a physical line.
fn is_pseudo(tty: impl std::os::fd::AsFd) -> bool {
    // The kernel's list of devices (Documentation/admin-guide/devices.txt) has these for Unix98 pseudo-terminals.
    const SLAVES: std::ops::RangeInclusive<u32> = 136..=143;
    cfg!(target_os = "linux")
        && rustix::fs::fstat(tty).is_ok_and(|found| SLAVES.contains(&rustix::fs::major(found.st_rdev)))
}

fn time_of_a_byte(line: &SerialLine) -> Duration {
    Duration::from_secs(1) * line.bits_per_byte() / line.baud
}

/// The receiving half of the line.
struct Reader {
    tty: Arc<AsyncFd<OwnedFd>>,
    phase: Phase,
    quiet: Duration,
}

enum Phase {
    /// This side may still send. When it stops, the channel says when the last byte will have left.
    Open(oneshot::Receiver<Instant>),
    /// This side sends no more, and the line still has this time to send something.
    Quiet(Pin<Box<Sleep>>),
    Ended,
}

impl AsyncRead for Reader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { tty, phase, quiet } = &mut *self;
        loop {
            if matches!(phase, Phase::Ended) {
                return Poll::Ready(Ok(()));
            }
            if let Poll::Ready(read) = poll_bytes(tty, cx, buf) {
                match (read?, &mut *phase) {
                    (0, _) => *phase = Phase::Ended,
                    (_, Phase::Quiet(until)) => until.as_mut().reset(Instant::now() + *quiet),
                    _ => {}
                }
                return Poll::Ready(Ok(()));
            }
            match phase {
                Phase::Open(finished) => {
                    let sent = ready!(Pin::new(finished).poll(cx)).unwrap_or_else(|_| Instant::now());
                    *phase = Phase::Quiet(Box::pin(sleep_until(sent.max(Instant::now()) + *quiet)));
                }
                Phase::Quiet(until) => {
                    ready!(until.as_mut().poll(cx));
                    *phase = Phase::Ended;
                }
                Phase::Ended => {}
            }
        }
    }
}

impl StreamRead for Reader {}

/// Reads; returns 0 once the line was hung up: the other program has closed a pseudo-terminal, or an adapter was
/// unplugged.
fn poll_bytes(tty: &AsyncFd<OwnedFd>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
    loop {
        let mut ready = ready!(tty.poll_read_ready(cx))?;
        let read = ready.try_io(|tty| Ok(rustix::io::read(tty, buf.initialize_unfilled())?));
        return Poll::Ready(match read {
            Ok(Ok(length)) => {
                buf.advance(length);
                Ok(length)
            }
            Ok(Err(error)) if is_hung_up(&error) => Ok(0),
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(Err(error)) => Err(error),
            Err(_would_block) => continue,
        });
    }
}

fn is_hung_up(error: &io::Error) -> bool {
    [Errno::IO, Errno::NXIO, Errno::NODEV].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// The sending half of the line.
struct Writer {
    tty: Arc<AsyncFd<OwnedFd>>,
    /// Tells the reader that this side sends no more.
    finish: Option<oneshot::Sender<Instant>>,
    /// How long a byte takes on the line.
    byte: Duration,
    /// When the last byte that the driver has taken will have left.
    sent: Instant,
}

impl Writer {
    fn took(&mut self, length: usize) {
        let now = Instant::now();
        let length = u32::try_from(length).unwrap_or(DRIVER_BUFFER).min(DRIVER_BUFFER);
        self.sent = (self.sent.max(now) + self.byte * length).min(now + self.byte * DRIVER_BUFFER);
    }

    fn finish(&mut self) {
        if let Some(finish) = self.finish.take() {
            // If the reader has gone, nobody waits for this.
            let _ = finish.send(self.sent);
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.finish.is_none() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        loop {
            let mut ready = ready!(self.tty.poll_write_ready(cx))?;
            let written = ready.try_io(|tty| Ok(rustix::io::write(tty, bytes)?));
            return Poll::Ready(match written {
                Ok(Ok(length)) => {
                    drop(ready);
                    self.took(length);
                    Ok(length)
                }
                Ok(Err(error)) if is_hung_up(&error) => {
                    Err(io::Error::new(io::ErrorKind::BrokenPipe, "the serial line was hung up"))
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(Err(error)) => Err(error),
                Err(_would_block) => continue,
            });
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl StreamWrite for Writer {
    fn reset(&mut self) {
        // Otherwise closing would wait until a peer that uses flow control has taken the data.
        let _ = tcflush(self.tty.get_ref(), QueueSelector::OFlush);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};

    use super::*;

    /// The modes of some terminal.
    fn modes() -> Termios {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).and_then(|()| unlockpt(&master)).unwrap();
        tcgetattr(&master).unwrap()
    }

    fn settled(settings: &str) -> (SerialLine, Termios) {
        let address: crate::Address = format!("serial:/dev/ttyS0?{settings}").parse().unwrap();
        let crate::Address::Serial(line) = address else { panic!("no serial line") };
        let mut modes = modes();
        modes.set_speed(line.baud).unwrap();
        settle(&mut modes, &line);
        (line, modes)
    }

    #[test]
    fn each_setting_has_its_bits() {
        let (_, modes) = settled("data=7,parity=odd,stop=2,flow=hardware");
        let control = modes.control_modes;
        assert_eq!(control & ControlModes::CSIZE, ControlModes::CS7);
        let asked = ControlModes::PARENB | ControlModes::PARODD | ControlModes::CSTOPB | ControlModes::CRTSCTS;
        assert!(control.contains(asked));
        assert!(modes.input_modes.contains(InputModes::INPCK));
        let (_, modes) = settled("data=5,parity=even,flow=software");
        assert_eq!(modes.control_modes & ControlModes::CSIZE, ControlModes::CS5);
        assert!(modes.control_modes.contains(ControlModes::PARENB));
        assert!(!modes.control_modes.intersects(ControlModes::PARODD | ControlModes::CSTOPB | ControlModes::CRTSCTS));
        assert!(modes.input_modes.contains(InputModes::IXON | InputModes::IXOFF));
    }

    #[test]
    fn a_setting_that_is_not_in_force_is_named() {
        let all = "data=7,parity=even,stop=2,flow=hardware";
        let (line, wanted) = settled(&format!("baud=19200,{all}"));
        assert_eq!(differs(&line, &wanted, &wanted), None);
        let found = |settings: &str| differs(&line, &wanted, &settled(settings).1);
        assert_eq!(found(&format!("baud=9600,{all}")).unwrap(), "baud=19200");
        assert_eq!(found(&format!("baud=19500,{all}")), None, "drivers round");
        assert_eq!(found("baud=19200").unwrap(), "data=7");
        assert_eq!(found("baud=19200,data=7,parity=odd,stop=2,flow=hardware").unwrap(), "parity=even");
        assert_eq!(found("baud=19200,data=7,parity=even").unwrap(), "stop=2");
        assert_eq!(found("baud=19200,data=7,parity=even,stop=2,flow=software").unwrap(), "flow=hardware");
    }

    #[tokio::test]
    async fn what_the_driver_holds_is_still_on_its_way() {
        let (line, _) = settled("baud=300");
        let tty = Arc::new(registered(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap()).unwrap());
        let begun = Instant::now();
        let mut writer = Writer { tty, finish: None, byte: time_of_a_byte(&line), sent: begun };
        writer.took(60);
        let left = writer.sent - begun;
        assert!(left >= Duration::from_secs(2) && left < Duration::from_secs(3), "60 bytes of 10 bits: {left:?}");
        writer.took(1 << 20);
        let most = writer.byte * DRIVER_BUFFER;
        assert!(writer.sent - Instant::now() <= most, "the driver takes no more than it holds");
    }
}
