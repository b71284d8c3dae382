//! Every limit of endpoints and links, each with its unit and its reason. Also raises the limit of open files.

use std::time::Duration;

/// Bytes of frames that wait in a link's queue before senders wait. The writer may hold as much again, so a slow reader
/// costs a connection at most twice this and one message. It is large enough that one system call carries thousands of
/// small messages.
pub const MAX_QUEUE: usize = 256 << 10;

/// Default for the bytes of memory that the unfinished frames of all peers may hold together. That is one of the
/// longest frames with the room of its buffer, and many shorter ones. With it a run stays under 64 MiB, whatever peers
/// begin and do not end.
pub const MAX_PENDING: usize = 24 << 20;

/// Bytes up to which an unfinished frame does not count for [`MAX_PENDING`]: short frames need no accounting.
pub const PENDING_FREE: usize = 16 << 10;

/// Bytes of the first read of a connection: most conversations are short.
pub const FIRST_READ: usize = 8 << 10;

/// Bytes of the largest read. Beyond it, making fewer system calls does not pay for the lost cache.
pub const LARGEST_READ: usize = 256 << 10;

/// Messages that one peer's task takes before other peers' tasks run. That is enough to pay for switching tasks (under
/// a microsecond), and few enough that the others wait for microseconds, not milliseconds.
pub const TURN_MESSAGES: usize = 256;

/// Bytes of messages that one peer's task takes before other peers' tasks run: the processor copies them in some ten
/// microseconds.
pub const TURN_BYTES: usize = 64 << 10;

/// Bytes of one read of a bridge, into memory that all bridges of a thread share. It is quick to fill and stays in the
/// cache. Two full reads in a row mark a stream that Linux can better move without this program's memory.
pub const BRIDGE_READ: usize = 64 << 10;

/// Bytes of one write to a Unix stream socket. Linux splits a longer one into several buffers. If the peer goes away
/// between two of them, the write returns the length of the first, and the report of the reset is lost: neither the
/// next write nor a read returns it (`unix_stream_sendmsg` in net/unix/af_unix.c returns `sent ? : err`).
pub const UNIX_WRITE: usize = 32 << 10;

/// Default for the bytes of the largest datagram that is received whole: a UDP length is 16 bits.
pub const LARGEST_DATAGRAM: usize = 65_535;

/// Bytes of the largest message that a datagram carries over IPv4: the largest length minus the IP and UDP headers.
pub const LARGEST_PAYLOAD: usize = 65_507;

/// Bytes of the largest message that a unix-dgram: or unix-seqpacket: socket receives whole: more than Linux lets a
/// sender send by default (212,992).
pub const LARGEST_PACKET: usize = 256 << 10;

/// Datagrams that may wait for the reader of one session. Later ones are dropped and counted, as the kernel does.
pub const MAX_SESSION_QUEUE: usize = 4096;

/// Bytes of datagrams that may wait for the reader of one session: several times what the kernel holds for a whole
/// socket.
pub const MAX_SESSION_BYTES: usize = 1 << 20;

/// Bytes of datagrams that may wait for readers in all sessions of a listener together. Without this limit, many
/// sessions that nobody reads could each fill their own queue.
pub const MAX_UNREAD: usize = 64 << 20;

/// How long a listener waits between two notices of datagrams that reached no session, so that a flood of datagrams
/// does not become a flood of notices.
pub const NOTICE_PAUSE: Duration = Duration::from_secs(1);

/// Datagrams of one peer that are answered automatically in a second, on average over a longer time. A datagram with a
/// forged source makes two automatic answerers answer each other; the first unanswered datagram ends that.
pub const ANSWER_RATE: u64 = 500;

/// Seconds' worth of [`ANSWER_RATE`] that a quiet peer may use at once.
pub const ANSWER_BURST: u64 = 4;

/// UDP sessions at once. Each costs memory, and a new source address costs a sender nothing.
pub const MAX_SESSIONS: usize = 10_000;

/// How long a UDP session lives without a datagram.
pub const SESSION_IDLE: Duration = Duration::from_secs(300);

/// How long connecting may take, for all addresses together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The shortest time between two keep-alive probes of TCP: the kernel counts whole seconds.
pub const SHORTEST_KEEPALIVE: Duration = Duration::from_secs(1);

/// The longest time between two keep-alive probes of TCP: Linux's maximum (`MAX_TCP_KEEPIDLE`).
pub const LONGEST_KEEPALIVE: Duration = Duration::from_secs(32_767);

/// Silence of an accepted TCP connection after which the system probes its peer, and the pause between two probes. A
/// client whose machine or network has gone is dropped after four minutes, instead of two hours or never. A live client
/// answers in its kernel, and costs two small packets a minute while it is silent.
pub const ACCEPTED_KEEPALIVE: Duration = Duration::from_secs(60);

/// Checks for progress within the time that a peer may be silent.
pub const IDLE_LOOKS: u32 = 4;

/// Probes of `--keepalive` without an answer after which a peer counts as gone. One or two lost packets are not enough.
pub const UNANSWERED: u32 = 3;

/// Time for the system to resolve `localhost` before it is taken as loopback. `/etc/hosts` answers within a millisecond. Where nothing
/// does, musl waits 5 s for a name server.
pub const LOCALHOST_LOOKUP: Duration = Duration::from_millis(500);

/// Pause between two attempts of `--retry`.
pub const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Once the sending side has ended, silence on a serial line after which the conversation counts as over. It is longer
/// than devices take to answer.
pub const SERIAL_QUIET: Duration = Duration::from_secs(1);

/// Backlog: connections that the kernel holds until they are accepted.
pub const BACKLOG: i32 = 1024;

/// Handshakes of one listener in progress, and finished ones that nobody has accepted yet. At most a quarter of the
/// open files. A handshake costs a socket and, inside TLS, some 10 KiB. When all places are taken, the listener drops
/// the oldest unfinished handshake.
pub const MAX_HANDSHAKES: usize = 1024;

/// Clients of one listener that have connected and have sent nothing yet. At most half of the open files. Each costs a
/// socket and less than 1 KiB. When all places are taken, the listener drops the oldest.
pub const MAX_SILENT: usize = 4096;

/// How long a new client certainly keeps its place. An honest client on a slow line sends its first bytes within this
/// time, so a burst of such clients loses none.
pub const HANDSHAKE_GRACE: Duration = Duration::from_secs(1);

/// How long a listener collects clients that it disconnected before their handshake was over, to report them together.
pub const HANDSHAKE_REPORTS: Duration = Duration::from_secs(1);

/// Bytes of a request, or of its response, that opens a WebSocket. That is what browsers with their cookies need, and
/// more than proxies pass on.
pub const MAX_OPENING: usize = 16 << 10;

/// Records of a TLS connection that are read before other peers' tasks run, approximately. A peer may send one record
/// for each byte.
pub const RECORDS_AT_ONCE: usize = 64;

/// Frames of a WebSocket that are passed on before other peers' tasks run.
pub const FRAMES_AT_ONCE: usize = 256;

/// Frames of one WebSocket message that may be empty, apart from its last. No sender needs any, and a message of empty
/// frames would never end.
pub const MAX_EMPTY_FRAMES: usize = 1024;

/// Bytes of pongs that wait until the peer reads them. A peer that goes on sending pings is disconnected.
pub const MAX_UNREAD_ANSWERS: usize = 64 << 10;

/// Default for the bytes of the longest WebSocket message: the same as for framings.
pub const LARGEST_WS_MESSAGE: usize = 16 << 20;

/// How long a new client may take for its handshakes: several times what the slowest honest line takes.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a listener waits before it tries again, when it cannot accept (no more open files) or its socket fails.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a listener does not repeat that it cannot accept: at the limit of open files it would report it for each
/// peer.
pub const ACCEPT_ERROR_INTERVAL: Duration = Duration::from_secs(60);

/// How long this end waits for an answer to its last message before it half-closes anyway. This is longer than a slow
/// server usually takes, and short enough for users of a server that answers only after the end of file.
pub const HALF_CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// How long an answer must pause before this end half-closes. A server that is still sending sends the next answer, or
/// the next part of one, sooner.
pub const ANSWER_PAUSE: Duration = Duration::from_millis(100);

/// How long a run that is over waits until its sent messages are written. A peer that does not read delays the end no
/// longer than this.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The same limit when a timeout has passed or nobody reads the output: a user who set a timeout does not want to wait.
pub const FINAL_FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// How long at most this end goes on reading from a server whose client is gone altogether, unless `linger` is longer.
/// It would otherwise read, for nobody, for ever from a server that goes on sending.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a process may take to end on its own after its connection has gone, and again after it is asked to end.
pub const EXEC_GRACE: Duration = Duration::from_secs(5);

/// Commands that run at once, for all messages and connections together. Each takes some MiB and a place in the
/// system's table of processes, which a shell of the same user needs too.
pub const MAX_PROCESSES: usize = 256;

/// When the program ends: how long its processes may take to end after they are asked to, all together. Then they are
/// killed.
pub const PROCESS_GRACE: Duration = Duration::from_secs(2);

/// Default for the bytes of messages that may wait for one of many peers, beyond its connection's queue: a burst that a
/// slow line takes seconds for. Peers that get the same message share its memory.
pub const MAX_BACKLOG: usize = 8 << 20;

/// How long one of many peers may take nothing after messages begin to wait for it. After that it is closed when its
/// backlog is full. The other peers wait with it at most this long, and once: some round trips of a slow line.
pub const DEAF_PATIENCE: Duration = Duration::from_secs(1);

/// The same limit for a peer that has taken something since then: a reader that makes progress stays, and the others
/// wait for it. It is long enough to resend a lost packet, and for a receiver to announce room after it had none.
pub const SLOW_PATIENCE: Duration = Duration::from_secs(5);

/// How often this end checks whether a peer has taken any of the messages that wait for it.
pub const PROGRESS_LOOK: Duration = Duration::from_millis(100);

/// Bytes that the system accepts for a TCP peer of a listener beyond what its connection can carry (TCP_NOTSENT_LOWAT).
/// Without this limit Linux accepts 4 MB, and a slow reader would seem to read nothing for as long as they last.
pub const MAX_UNSENT: u32 = 128 << 10;

/// How long one of many peers may take none of its waiting messages, although its backlog has room for more.
pub const SLOW_PEER_TIMEOUT: Duration = Duration::from_secs(10);

/// Commands that are read ahead while a message waits for a peer, to find one that closes the peer or ends the run.
pub const COMMANDS_AHEAD: usize = 1024;

/// Bytes of messages in the commands that are read ahead.
pub const BYTES_AHEAD: usize = 4 << 20;

/// How long one of many peers may take nothing of the rest of its data when its conversation ends. Without this limit,
/// a peer that has ended its side and reads nothing would be held for ever.
pub const FINISHING: Duration = Duration::from_secs(30);

/// The pause before the first attempt to reconnect; it doubles with every further attempt.
pub const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause before an attempt to reconnect, so a client waits no longer than this for a restarted server. If a
/// connection lasted longer than this, the pause starts short again.
pub const RECONNECT_LONGEST: Duration = Duration::from_secs(30);

/// Bytes that an error keeps of a message that was lost with its connection: enough to recognise the message.
pub const UNFINISHED_SHOWN: usize = 64;

/// Raises the number of files that this process may open to what the machine allows, and returns it.
///
/// A server of many connections is otherwise stopped by the shell's default of 1,024.
#[cfg(unix)]
pub fn raise_open_files() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // A sandbox may refuse this: the old limit then stays, and an error appears when it is reached.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current
}

/// How many files this process may open.
#[cfg(unix)]
pub(crate) fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// This system has no such limit.
#[cfg(not(unix))]
pub fn raise_open_files() -> Option<u64> {
    None
}

/// This system has no such limit.
#[cfg(not(unix))]
pub(crate) fn open_files() -> Option<u64> {
    None
}

/// Default for how long a peer may send and take nothing in the middle of a file.
pub const TRANSFER_STALL: Duration = Duration::from_secs(20);

/// Bytes of a header, request or answer of the plain protocol for files: an escaped name of 4 KiB and a few numbers
/// fit.
pub const PLAIN_HEADER: usize = 64 << 10;

/// Clients of the plain protocol that are served at once, each of which may hold a few reads in memory. Later ones wait
/// in the backlog.
pub const PLAIN_CLIENTS: usize = 16;

/// Bytes of a refused upload that the server reads and discards, so that its client can finish writing and read the
/// reason. A longer upload is cut.
pub const PLAIN_DISCARDED: u64 = 64 << 20;

/// How long a client without the secret of a transfer has to wait: this slows guesses down.
pub const SECRET_PAUSE: Duration = Duration::from_secs(1);

/// How long a receiver that has everything waits for another connection, if the last one was lost before the sender knew. A
/// sender connects again within a few seconds; one that was killed does not come.
pub const TRANSFER_LINGER: Duration = Duration::from_secs(10);

/// Clients of a transfer that have not shown its secret yet. When there are more, the oldest is dropped.
pub const TRANSFER_GUESTS: usize = 64;
