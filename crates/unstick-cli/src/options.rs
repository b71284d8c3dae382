//! Groups of options, and what they mean for a connection. Each file has its group's clap struct and the functions
//! that apply it.

pub mod bridge;
pub mod children;
pub mod completion;
pub mod connection;
pub mod decode;
pub mod endpoint;
pub mod framing;
pub mod guess;
pub mod listening;
pub mod payload;
pub mod peer_limits;
pub mod proxy;
pub mod record;
pub mod replay;
pub mod secrets;
pub mod sendable;
pub mod talk;
pub mod tls;
pub mod transfer;
pub mod udp;
pub mod values;
pub mod websocket;
