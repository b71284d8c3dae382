//! `exec:`: a process at the other end, with its environment, its exit status, its last output and its end.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use unstick::limits::EXEC_GRACE;
use unstick::service::bridge::{Clients, Config, Event, Faults, Output, Reason, Target, bridge};
use unstick::{Options, connect, listen};

use crate::suite::{Pair, framing, listening, run};

/// The near end is a process that passes everything on to the far end.
pub(crate) async fn pair(spec: &str) -> Pair {
    let mut listener = listening("unix:process", spec, &Options::default()).await;
    let path = listener.addresses()[0].strip_prefix("unix:").unwrap().to_owned();
    let command = format!("exec:exec socat -t 60 - UNIX-CONNECT:{path}").parse().unwrap();
    let near = connect(&command, Some(&framing(spec)), &Options::default()).await.unwrap();
    let far = listener.accept().await.unwrap();
    Pair { near, far, keeps: Box::new(listener) }
}

async fn process(command: &str) -> unstick::Link {
    connect(&format!("exec:{command}").parse().unwrap(), Some(&framing("line")), &Options::default()).await.unwrap()
}

/// A path for this test only.
fn path(test: &str) -> PathBuf {
    std::env::temp_dir().join(format!("unstick-process-{test}-{}", std::process::id()))
}

#[test]
fn its_last_words_come_before_its_end_and_its_status_behind_them() {
    run(async {
        let mut link = process("cat; echo the last words").await;
        link.send(b"hello").await.unwrap();
        assert_eq!(link.recv().await.unwrap().unwrap(), &b"hello"[..]);
        let (sender, mut receiver) = link.split();
        sender.finish().await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().unwrap(), &b"the last words"[..]);
        assert_eq!(receiver.recv().await.unwrap(), None);

        for (end, status) in [("exit 3", 3), ("kill -9 $$", 137)] {
            let mut link = process(&format!("echo the last words; {end}")).await;
            assert_eq!(link.recv().await.unwrap().unwrap(), &b"the last words"[..]);
            let error = link.recv().await.unwrap_err();
            assert_eq!(error.exit_status(), Some(status), "{error}");
            assert_eq!(error.to_string(), format!("`echo the last words; {end}` ended with status {status}"));
        }
    });
}

#[test]
fn much_that_was_said_before_the_end_is_all_there() {
    run(async {
        let mut link = process("seq 200000; exit 1").await;
        for number in 1..=200_000 {
            assert_eq!(link.recv().await.unwrap().unwrap(), number.to_string().as_bytes());
        }
        assert_eq!(link.recv().await.unwrap_err().exit_status(), Some(1));
    });
}

/// Waits until a process is gone, or only its status is left. (Its command line is also empty for a moment at its start.)
async fn is_gone(id: &str) {
    let path = PathBuf::from(format!("/proc/{}/stat", id.trim()));
    let runs = || std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z "));
    while runs() {
        tokio::time::timeout(Duration::from_millis(10), std::future::pending::<()>()).await.unwrap_err();
    }
}

/// EXEC_GRACE: a process that does not end on its own is told to, with everything that it has started.
#[test]
fn it_ends_with_its_connection() {
    run(async {
        let mut link = process("sleep 1000 & echo $!; wait").await;
        let child = String::from_utf8(link.recv().await.unwrap().unwrap().to_vec()).unwrap();
        let begun = std::time::Instant::now();
        drop(link);
        is_gone(&child).await;
        assert!(begun.elapsed() >= EXEC_GRACE, "it was given no time");
    });
}

#[test]
fn what_it_was_sent_is_finished_though_nobody_waits() {
    run(async {
        let file = path("finished");
        let link = process(&format!("sleep 0.1; cat > {}", file.display())).await;
        link.send(b"to be written").await.unwrap();
        drop(link);
        while std::fs::read(&file).unwrap_or_default() != b"to be written\n" {
            tokio::task::yield_now().await;
        }
        std::fs::remove_file(&file).unwrap();
    });
}

struct Ends(mpsc::UnboundedSender<String>);

impl Output for Ends {
    fn event(&mut self, event: Event<'_>) -> unstick::Result<()> {
        match event {
            Event::Listening { addresses } => self.0.send(addresses[0].clone()).unwrap(),
            Event::Close { reason: Reason::Failed { error, .. }, .. } => self.0.send(error.to_string()).unwrap(),
            Event::Close { .. } => self.0.send("ended".to_owned()).unwrap(),
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn each_client_of_a_bridge_has_a_process_that_knows_who_is_there() {
    run(async {
        let command = "cat; echo $UNSTICK_PEER $UNSTICK_FROM $UNSTICK_LOCAL; exit $((UNSTICK_PEER - 1))";
        let listener =
            listen(&"127.0.0.1:0".parse().unwrap(), Some(&framing("raw")), &Options::default()).await.unwrap();
        let target = Target {
            address: format!("exec:{command}").parse().unwrap(),
            options: Options::default(),
            client: Some(framing("raw")),
            server: Some(framing("raw")),
            faults: Faults::default(),
        };
        let (told, mut ends) = mpsc::unbounded_channel();
        tokio::spawn(bridge(Clients::Many(listener), target, Ends(told), Config::default()));
        let at = ends.recv().await.unwrap().strip_prefix("tcp://").unwrap().to_owned();
        for number in 1..=2 {
            let mut client = TcpStream::connect(&at).await.unwrap();
            let large = crate::suite::message(number, 500_000);
            let (mut reads, mut writes) = client.split();
            let speaking = async {
                writes.write_all(&large).await.unwrap();
                writes.shutdown().await.unwrap();
            };
            let hearing = async {
                let mut heard = Vec::new();
                reads.read_to_end(&mut heard).await.expect("an end in order, whatever its status");
                heard
            };
            let ((), heard) = tokio::join!(speaking, hearing);
            assert!(heard[..large.len()] == large);
            let last = format!("{number} {} {at}\n", client.local_addr().unwrap());
            assert_eq!(String::from_utf8_lossy(&heard[large.len()..]), last);
            let ended = ends.recv().await.unwrap();
            assert!(if number == 1 { ended == "ended" } else { ended.ends_with("ended with status 1") }, "{ended}");
        }
    });
}

/// The client goes on sending, but nobody gets its data. It sees the end, and the bridge ends, whatever the client sends.
#[test]
fn a_bridge_ends_with_its_process_though_the_client_goes_on() {
    run(async {
        for (server, says) in [("line", "one\n"), ("line,cr=keep", "one\n"), ("line,cr=keep", "one\ntwo\nthree\n")] {
            let listener =
                listen(&"127.0.0.1:0".parse().unwrap(), Some(&framing("line")), &Options::default()).await.unwrap();
            let target = Target {
                address: "exec:read x; echo heard $x".parse().unwrap(),
                options: Options::default(),
                client: Some(framing("line")),
                server: Some(framing(server)),
                faults: Faults::default(),
            };
            let (told, mut ends) = mpsc::unbounded_channel();
            tokio::spawn(bridge(Clients::Many(listener), target, Ends(told), Config::default()));
            let at = ends.recv().await.unwrap().strip_prefix("tcp://").unwrap().to_owned();
            let mut client = TcpStream::connect(&at).await.unwrap();
            client.write_all(says.as_bytes()).await.unwrap();
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.expect("an end in order");
            assert_eq!((heard.as_str(), ends.recv().await.unwrap().as_str()), ("heard one\n", "ended"), "{server}");
        }
    });
}

/// A client sends everything and closes. The bridge does not reset a server that answers each line before it has read the last.
#[test]
fn what_a_process_said_before_it_went_is_read_by_its_server() {
    run(async {
        for server in ["line", "line,cr=keep"] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let target = Target {
                address: listener.local_addr().unwrap().to_string().parse().unwrap(),
                options: Options::default(),
                client: Some(framing("line")),
                server: Some(framing(server)),
                faults: Faults::default(),
            };
            let address = "exec:seq 50000".parse().unwrap();
            let client = unstick::endpoint::connect(&address, &Options::default()).await.unwrap();
            let (told, mut ends) = mpsc::unbounded_channel();
            let mut rules = Config::default();
            rules.linger = Duration::from_secs(3600);
            tokio::spawn(bridge(Clients::One(client), target, Ends(told), rules));
            let (mut far, _) = listener.accept().await.unwrap();
            let (mut lines, mut piece) = (0, [0; 100]);
            loop {
                let read = far.read(&mut piece).await.expect("nothing is reset");
                if read == 0 {
                    break;
                }
                lines += piece[..read].iter().filter(|byte| **byte == b'\n').count();
                far.write_all(b"an answer\n").await.expect("a process is still there");
            }
            assert_eq!(lines, 50_000, "{server}");
            drop(far);
            assert_eq!(ends.recv().await.unwrap(), "ended", "its own end is enough");
        }
    });
}

#[test]
fn a_command_may_hold_what_looks_like_an_address() {
    let framed: unstick::FramedAddress = "exec:echo a+tcp://b".parse().unwrap();
    assert_eq!((framed.address.to_string(), framed.framing), ("exec:echo a+tcp://b".to_owned(), None));
    let framed: unstick::FramedAddress = "u32be+exec:echo line+exec:b".parse().unwrap();
    assert_eq!(framed.address.to_string(), "exec:echo line+exec:b");
    assert_eq!(framed.framing, Some(unstick::wire::Framing::parse("u32be").unwrap()));
}
