//! A process that runs out of open files. It is a separate program, because the limit holds for the whole process.

#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use unstick::wire::Framing;
use unstick::{Options, limits, listen};

/// Opens files until the limit is reached.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn running_out_of_open_files_is_an_error_and_the_listener_lives_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(100), maximum }).unwrap();
        let framings = Framing::parse("line").unwrap().into();
        let address = "tcp://127.0.0.1:0".parse().unwrap();
        let mut listener = listen(&address, Some(&framings), &Options::default()).await.unwrap();
        let at: SocketAddr = listener.addresses()[0].strip_prefix("tcp://").unwrap().parse().unwrap();
        // The peer connects before the files run out.
        let peer = TcpStream::connect(at).unwrap();
        let files = take_all();
        assert!(!files.is_empty() && files.len() < 100);
        let begun = Instant::now();
        for _ in 0..3 {
            let error = listener.accept().await.unwrap_err();
            assert_eq!(error.to_string(), "a connection cannot be accepted: too many open files");
            let hint = "this process has reached its limit of 100 open files; `ulimit -n` raises it";
            assert_eq!(error.hint(), Some(hint));
        }
        assert!(begun.elapsed() >= Duration::from_millis(50), "a caller that goes on does not spin");
        drop(files);
        let link = listener.accept().await.unwrap();
        assert_eq!(link.addrs().remote, peer.local_addr().unwrap().to_string());

        // With the limit raised to what the machine allows, the same files leave room.
        assert_eq!(limits::raise_open_files(), maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
        let files: Vec<_> = (0..100).map(|_| File::open("/dev/null").unwrap()).collect();
        let peer = TcpStream::connect(at).unwrap();
        let link = listener.accept().await.unwrap();
        assert_eq!(link.addrs().remote, peer.local_addr().unwrap().to_string());
        drop(files);
    });
}
