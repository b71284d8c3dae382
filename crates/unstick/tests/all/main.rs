//! The library's tests: one binary, with one module for each subject.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

#[macro_use]
mod suite;

endpoint_suite!(tcp, "tcp://127.0.0.1:0", conversation, stream, listener);
endpoint_suite!(udp, "udp://127.0.0.1:0", conversation, listener);
endpoint_suite!(tls, "tls://127.0.0.1:0", conversation, stream, listener);
endpoint_suite!(ws, "ws://127.0.0.1:0", conversation, messages, listener);
endpoint_suite!(wss, "wss://127.0.0.1:0/path", conversation, messages, listener);
endpoint_suite!(ws_unix, "ws+unix:suite", conversation, messages, listener);
endpoint_suite!(unix, "unix:suite", conversation, stream, listener);
endpoint_suite!(unix_dgram, "unix-dgram:suite", conversation, listener);
endpoint_suite!(unix_seqpacket, "unix-seqpacket:suite", conversation, connection, listener);
#[cfg(all(target_os = "linux", feature = "serial"))]
endpoint_suite!(serial, "serial:suite", conversation);
endpoint_suite!(exec, "exec:cat", conversation, stream);
endpoint_suite!(mem, "mem:suite", conversation, stream, listener);
endpoint_suite!(stdio, "-", conversation, stream);

mod answers;
mod bridge_runtimes;
mod bridges;
mod budget;
mod conversations;
#[cfg(unix)]
mod exact;
mod faulted;
mod files;
mod framed;
mod handshakes;
mod hostile_tls;
mod last_words;
mod processes;
mod proxy_sockets;
mod queue;
mod replays;
#[cfg(unix)]
mod resets;
#[cfg(all(target_os = "linux", feature = "serial"))]
mod serial_lines;
mod sink;
mod standard_streams;
mod tcp_sockets;
mod tls_sockets;
mod transfer_incidents;
mod transfers;
mod udp_sockets;
mod unix_sockets;
mod ws_sockets;
