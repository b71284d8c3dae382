//! Serial lines on pseudo-terminals: two joined as by a null modem, or one with the test at its other side.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{ControlModes, InputModes, LocalModes, tcgetattr};
use tokio::io::unix::AsyncFd;
use unstick::limits::SERIAL_QUIET;
use unstick::{Address, Link, Options, connect, listen};

use crate::suite::{Pair, framing, run};

/// A pseudo-terminal: this end, and the path of the other.
fn terminal() -> (OwnedFd, PathBuf) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).and_then(|()| unlockpt(&master)).unwrap();
    rustix::io::ioctl_fionbio(&master, true).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    (master, path.into())
}

/// As in the endpoint, for the same reason.
#[allow(deprecated)]
fn registered(master: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(master)
}

fn address(path: &std::path::Path, settings: &str) -> Address {
    format!("serial:{}{settings}", path.display()).parse().unwrap()
}

async fn opened(path: &std::path::Path, settings: &str, spec: &str) -> Link {
    connect(&address(path, settings), Some(&framing(spec)), &Options::default()).await.unwrap()
}

/// Two lines whose bytes reach each other.
pub(crate) async fn pair(spec: &str) -> Pair {
    let ((left, one), (right, other)) = (terminal(), terminal());
    let (near, far) = (opened(&one, "?baud=115200", spec).await, opened(&other, "?baud=115200", spec).await);
    let [left, right] = [left, right].map(|master| std::sync::Arc::new(registered(master).unwrap()));
    for (from, to) in [(&left, &right), (&right, &left)] {
        tokio::spawn(carry_all(std::sync::Arc::clone(from), std::sync::Arc::clone(to)));
    }
    // A hang-up drops the bytes that have not been read yet.
    Pair { near, far, keeps: Box::new((left, right)) }
}

/// Waits until nobody has the line open any more.
async fn carry_all(from: std::sync::Arc<AsyncFd<OwnedFd>>, to: std::sync::Arc<AsyncFd<OwnedFd>>) {
    let mut bytes = [0; 4096];
    while let Ok(length) = read(&from, &mut bytes).await {
        if write(&to, &bytes[..length]).await.is_err() {
            break;
        }
    }
}

async fn read(from: &AsyncFd<OwnedFd>, bytes: &mut [u8]) -> std::io::Result<usize> {
    loop {
        let mut ready = from.readable().await?;
        if let Ok(read) = ready.try_io(|from| Ok(rustix::io::read(from, &mut *bytes)?)) {
            return read;
        }
    }
}

async fn write(to: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let mut ready = to.writable().await?;
        if let Ok(written) = ready.try_io(|to| Ok(rustix::io::write(to, bytes)?)) {
            bytes = &bytes[written?..];
        }
    }
    Ok(())
}

#[test]
fn settings_are_in_force_on_the_line() {
    run(async {
        let (master, path) = terminal();
        let settings = "?baud=115200,stop=2,flow=software";
        let _link = opened(&path, settings, "line").await;
        let found = tcgetattr(&master).unwrap();
        assert_eq!((found.input_speed(), found.output_speed()), (115_200, 115_200));
        assert!(found.control_modes.contains(ControlModes::CSTOPB | ControlModes::CS8 | ControlModes::CLOCAL));
        assert!(found.input_modes.contains(InputModes::IXON | InputModes::IXOFF));
        assert!(!found.local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
    });
    run(async {
        let (master, path) = terminal();
        // A baud rate that is in no table.
        let _link = opened(&path, "?baud=250000&flow=hardware", "line").await;
        let found = tcgetattr(&master).unwrap();
        assert_eq!(found.output_speed(), 250_000);
        assert!(found.control_modes.contains(ControlModes::CRTSCTS));
        assert!(!found.control_modes.contains(ControlModes::CSTOPB));
        assert!(!found.input_modes.intersects(InputModes::IXON | InputModes::IXOFF));
    });
}

#[test]
fn every_byte_passes_as_it_is_both_ways() {
    run(async {
        let (master, path) = terminal();
        let (sender, mut receiver) = opened(&path, "", "fixed:256").await.split();
        let master = registered(master).unwrap();
        let every: Vec<u8> = (0..=255).collect();
        sender.send(&every).await.unwrap();
        let mut come = vec![0; 256];
        let mut length = 0;
        while length < 256 {
            length += read(&master, &mut come[length..]).await.unwrap();
        }
        assert_eq!(come, every);
        write(&master, &every).await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().unwrap(), every);
    });
}

#[test]
fn a_hang_up_is_an_end() {
    run(async {
        let (master, path) = terminal();
        let (sender, mut receiver) = opened(&path, "", "line").await.split();
        let master = registered(master).unwrap();
        write(&master, b"last words\n").await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().unwrap(), "last words");
        drop(master);
        assert_eq!(receiver.recv().await.unwrap(), None);
        assert_eq!(receiver.recv().await.unwrap(), None, "the end lasts");
        let _ = sender.send(b"to nobody").await;
        assert!(sender.flush().await.is_err(), "nobody has the line open any more");
    });
}

#[test]
fn silence_after_the_end_of_sending_is_an_end() {
    run(async {
        let (master, path) = terminal();
        let (sender, mut receiver) = opened(&path, "", "line").await.split();
        let master = registered(master).unwrap();
        sender.send(b"question").await.unwrap();
        let begun = Instant::now();
        sender.finish().await.unwrap();
        // Bytes within the time are still an answer, and start the time again.
        let early = tokio::time::timeout(SERIAL_QUIET / 2, receiver.recv()).await;
        assert!(early.is_err(), "{early:?}");
        write(&master, b"answer\n").await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().unwrap(), "answer");
        assert_eq!(receiver.recv().await.unwrap(), None);
        assert!(begun.elapsed() >= SERIAL_QUIET + SERIAL_QUIET / 2, "{:?}", begun.elapsed());
    });
}

#[test]
fn a_line_that_somebody_sends_on_does_not_end() {
    run(async {
        let (master, path) = terminal();
        let mut options = Options::default();
        options.serial_quiet = Duration::from_millis(20);
        let link = connect(&address(&path, ""), Some(&framing("line")), &options).await.unwrap();
        let (_sender, mut receiver) = link.split();
        let waited = tokio::time::timeout(Duration::from_millis(200), receiver.recv()).await;
        assert!(waited.is_err(), "{waited:?}");
        drop(master);
    });
}

#[test]
fn listening_serves_the_one_peer_of_a_line() {
    run(async {
        let (master, path) = terminal();
        let mut listener = listen(&address(&path, ""), Some(&framing("line")), &Options::default()).await.unwrap();
        assert!(listener.serves_one());
        assert_eq!(listener.addresses(), [format!("serial:{}?baud=9600", path.display())]);
        let link = listener.accept().await.unwrap();
        assert_eq!(link.addrs().remote, format!("serial:{}", path.display()));
        let master = registered(master).unwrap();
        link.send(b"ready").await.unwrap();
        let mut come = [0; 16];
        assert_eq!(read(&master, &mut come).await.unwrap(), 6);
        assert!(tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err(), "nobody else comes");
    });
}

#[test]
fn a_line_has_one_user() {
    run(async {
        let (_master, path) = terminal();
        let first = opened(&path, "", "line").await;
        let second = connect(&address(&path, ""), Some(&framing("line")), &Options::default()).await;
        let error = second.expect_err("the line is taken");
        assert!(error.is_unreachable());
        assert_eq!(error.to_string(), format!("{} is in use by another program", path.display()));
        drop(first);
        // The writing task of the first one closes the line a moment later.
        let mut options = Options::default();
        options.retry = Some(Duration::from_secs(30));
        connect(&address(&path, ""), Some(&framing("line")), &options).await.unwrap();
    });
}

#[test]
fn what_is_no_serial_line_says_so() {
    run(async {
        let open = async |text: &str| {
            let opened = connect(&text.parse().unwrap(), Some(&framing("line")), &Options::default()).await;
            opened.expect_err("no line")
        };
        let error = open("serial:/dev/null").await;
        assert!(error.is_usage());
        assert_eq!(error.to_string(), "/dev/null is not a serial line");
        let error = open("serial:/dev/ttyNOWHERE?baud=9600").await;
        assert!(error.is_unreachable());
        assert!(error.hint().unwrap().contains("ls /dev/serial/by-id"), "{error:?}");
        let error = open("serial:/dev/ttyNOWHERE,baud=9600").await;
        assert!(error.hint().unwrap().contains("after a ?"), "{error:?}");
    });
}

#[test]
fn a_pseudo_terminal_takes_settings_that_mean_nothing_there() {
    run(async {
        let (_master, path) = terminal();
        let told = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let mut options = Options::default();
        let tell = std::sync::Arc::clone(&told);
        options.trace = Some(std::sync::Arc::new(move |what| tell.lock().unwrap().push_str(what)));
        connect(&address(&path, "?parity=even"), Some(&framing("line")), &options).await.unwrap();
        let told = told.lock().unwrap();
        assert!(told.ends_with("is a pseudo-terminal, on which parity=even means nothing"), "{told}");
    });
}

#[test]
fn a_lost_line_is_tried_again() {
    run(async {
        let missing = std::env::temp_dir().join(format!("unstick-line-{}", std::process::id()));
        let (_master, path) = terminal();
        let mut options = Options::default();
        options.retry = Some(Duration::from_secs(30));
        let framings = framing("line");
        let at = address(&missing, "");
        let connecting = connect(&at, Some(&framings), &options);
        let appearing = async {
            tokio::task::yield_now().await;
            std::os::unix::fs::symlink(&path, &missing).unwrap();
        };
        let (link, ()) = tokio::join!(connecting, appearing);
        std::fs::remove_file(&missing).unwrap();
        link.unwrap();
    });
}

#[test]
fn other_programs_settings_are_replaced() {
    run(async {
        let (master, path) = terminal();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let other = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
        let mut modes = tcgetattr(&other).unwrap();
        modes.input_modes |= InputModes::ISTRIP | InputModes::IXANY | InputModes::IGNCR;
        modes.set_speed(300).unwrap();
        rustix::termios::tcsetattr(&other, rustix::termios::OptionalActions::Now, &modes).unwrap();
        let _link = opened(&path, "", "line").await;
        let found = tcgetattr(&master).unwrap();
        assert_eq!(found.output_speed(), 9600);
        assert!(!found.input_modes.intersects(InputModes::ISTRIP | InputModes::IXANY | InputModes::IGNCR));
    });
}
