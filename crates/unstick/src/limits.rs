//! Every limit of endpoints and links, each with its unit and its reason; and the number of open files.

use std::time::Duration;

/// Bytes of frames that wait in a link's queue before senders wait. The same again may be with the kernel's writer, so
/// that a slow reader costs a connection at most twice this and one message. Large enough that one system call
/// carries thousands of small messages.
pub const MAX_QUEUE: usize = 256 << 10;

/// Bytes of memory that the unfinished frames of all peers may hold together, unless told otherwise: one of the longest with the
/// room of its buffer, and many that are shorter. A run stays under 64 MiB with it, whatever peers begin and do not end.
pub const MAX_PENDING: usize = 24 << 20;

/// Bytes of an unfinished frame that do not count for that: nobody has to look at short frames.
pub const PENDING_FREE: usize = 16 << 10;

/// Bytes of the first read of a connection: most conversations are short.
pub const FIRST_READ: usize = 8 << 10;

/// Bytes of the largest read: beyond it, fewer system calls do not pay for the cache that is lost.
pub const LARGEST_READ: usize = 256 << 10;

/// Messages that the task of one peer takes before the tasks of other peers have their turn: enough to pay for the change of
/// tasks (under a microsecond), few enough that the others wait for microseconds, not for milliseconds.
pub const TURN_MESSAGES: usize = 256;

/// Bytes of messages that it takes before that: what the processor copies in some ten microseconds.
pub const TURN_BYTES: usize = 64 << 10;

/// Bytes of one read of a bridge, into memory that all bridges of a thread share: it is quick to fill and stays in the
/// cache; two full ones in a row show a stream that Linux had better move by itself.
pub const BRIDGE_READ: usize = 64 << 10;

/// Bytes of one write to a Unix stream socket. Linux makes several buffers of a longer one, and where the peer goes between two of
/// them, the write returns the length of the first, and the report of the reset is lost: neither the next write nor a read has
/// it (`unix_stream_sendmsg` in net/unix/af_unix.c returns `sent ? : err`).
pub const UNIX_WRITE: usize = 32 << 10;

/// Bytes of the largest datagram that is received whole, unless told otherwise: a UDP length is 16 bits.
pub const LARGEST_DATAGRAM: usize = 65_535;

/// Bytes of the largest message that a datagram carries over IPv4: the length less the headers of IP and UDP.
pub const LARGEST_PAYLOAD: usize = 65_507;

/// Bytes of the largest message that a unix-dgram: or unix-seqpacket: socket receives whole: more than Linux lets a sender
/// send unless told otherwise (212,992).
pub const LARGEST_PACKET: usize = 256 << 10;

/// Datagrams that wait for the reader of one session; later ones are dropped and counted, as the kernel does.
pub const MAX_SESSION_QUEUE: usize = 4096;

/// Bytes of datagrams that wait for the reader of one session: what the kernel holds for a whole socket, several times.
pub const MAX_SESSION_BYTES: usize = 1 << 20;

/// Bytes of datagrams that wait for readers, all sessions of a listener together: without it, many sessions that nobody
/// reads could each fill their own queue.
pub const MAX_UNREAD: usize = 64 << 20;

/// How long a listener waits between two notices of datagrams that reached no session: a flood of datagrams is no flood of
/// notices.
pub const NOTICE_PAUSE: Duration = Duration::from_secs(1);

/// Datagrams of one peer that are answered by themselves in a second, over a longer time: a datagram with a forged source
/// makes two such answerers answer each other, and the first one that is left unanswered ends that.
pub const ANSWER_RATE: u64 = 500;

/// How many seconds' worth of [`ANSWER_RATE`] a peer that has been quiet may ask at once.
pub const ANSWER_BURST: u64 = 4;

/// UDP sessions at once: each costs memory, and a source address costs its sender nothing.
pub const MAX_SESSIONS: usize = 10_000;

/// How long a UDP session lives without a datagram.
pub const SESSION_IDLE: Duration = Duration::from_secs(300);

/// How long connecting may take, all addresses together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The shortest time between two keep-alive probes of TCP: the kernel counts whole seconds.
pub const SHORTEST_KEEPALIVE: Duration = Duration::from_secs(1);

/// The longest time between two keep-alive probes of TCP: what Linux takes (`MAX_TCP_KEEPIDLE`).
pub const LONGEST_KEEPALIVE: Duration = Duration::from_secs(32_767);

/// Silence of an accepted TCP connection after which the system asks its peer whether it is still there, and then as long
/// from one question to the next. A client whose machine or network has gone is let go after four minutes, in place of two
/// hours or never; a live one answers in its kernel, and costs two small packets a minute while it says nothing.
pub const ACCEPTED_KEEPALIVE: Duration = Duration::from_secs(60);

/// How often it is looked, in the time that a peer may be silent, whether it has taken something.
pub const IDLE_LOOKS: u32 = 4;

/// Questions of `--keepalive` without an answer until a peer has gone: one lost packet, or two, are no reason.
pub const UNANSWERED: u32 = 3;

/// How long between two tries of `--retry`.
pub const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How long a serial line has to be silent, once the sending side has ended, until the conversation counts as over: longer than
/// devices think about an answer.
pub const SERIAL_QUIET: Duration = Duration::from_secs(1);

/// Connections that the kernel holds before they are accepted.
pub const BACKLOG: i32 = 1024;

/// Handshakes under way at once of one listener, and finished ones that nobody has accepted yet. At most a quarter of the
/// open files. A handshake costs a socket and, inside TLS, some 10 KiB. When all places are taken, the oldest unfinished
/// handshake makes room.
pub const MAX_HANDSHAKES: usize = 1024;

/// Clients of one listener that have connected and have sent nothing yet. At most half of the open files. Each costs a socket
/// and less than 1 KiB. When all places are taken, the oldest makes room.
pub const MAX_SILENT: usize = 4096;

/// How long a client that has connected keeps its place in any case: an honest client on a slow line sends its first bytes
/// within this time, and a burst of them loses nobody.
pub const HANDSHAKE_GRACE: Duration = Duration::from_secs(1);

/// How long a listener gathers clients that it disconnected before their handshake was over, to report them together.
pub const HANDSHAKE_REPORTS: Duration = Duration::from_secs(1);

/// Bytes of a request, or of the answer to it, that opens a WebSocket: what browsers with their cookies need, and more than
/// proxies pass on.
pub const MAX_OPENING: usize = 16 << 10;

/// Records of a TLS connection that are read before the tasks of other peers have their turn, more or less: a peer may send
/// one for each byte.
pub const RECORDS_AT_ONCE: usize = 64;

/// Frames of a WebSocket that are passed on before the tasks of other peers have their turn.
pub const FRAMES_AT_ONCE: usize = 256;

/// Frames of one WebSocket message that may be empty, its last aside: no sender needs any, and a message of them never ends.
pub const MAX_EMPTY_FRAMES: usize = 1024;

/// Bytes of answers to pings that wait until the peer reads them; a peer that goes on sending pings is disconnected.
pub const MAX_UNREAD_ANSWERS: usize = 64 << 10;

/// Bytes of the longest WebSocket message, unless told otherwise: as framings have it.
pub const LARGEST_WS_MESSAGE: usize = 16 << 20;

/// How long a client that has come may take for its handshakes: several times what the slowest honest line takes.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a listener that cannot accept (no more open files), or whose socket fails, waits before it tries again.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a listener does not repeat that it cannot accept: at the limit of open files it would be said for each peer.
pub const ACCEPT_ERROR_INTERVAL: Duration = Duration::from_secs(60);

/// How long this end waits for an answer to the last that it sent before it half-closes all the same: longer than a slow server
/// usually thinks, and short enough for users of a server that answers only once it has seen the end of file.
pub const HALF_CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// How long an answer must pause before this end half-closes: the next of several answers, or the next part of one, comes
/// sooner from a server that is still at it.
pub const ANSWER_PAUSE: Duration = Duration::from_millis(100);

/// How long a run that is over waits for what was sent to be written: a peer that does not read holds it back no longer.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The same where a time limit has passed or nobody reads the output: whoever set it does not want to wait.
pub const FINAL_FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// How long a server is heard out at most whose client is gone altogether, unless `linger` is longer: one that goes on speaking
/// would be listened to, for nobody, for ever.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a process whose connection has gone may take to end by itself, and again once it was told to.
pub const EXEC_GRACE: Duration = Duration::from_secs(5);

/// Commands that run at once, for all messages and connections together: each is some MiB and a place in the system's table of
/// processes, which a shell of the same user needs too.
pub const MAX_PROCESSES: usize = 256;

/// How long the processes of a program that ends may take to end once they were told to, all together; then they are made to.
pub const PROCESS_GRACE: Duration = Duration::from_secs(2);

/// Bytes of messages that wait for one of many peers, beyond what is in its connection's queue, unless told otherwise: a
/// burst that a slow line takes seconds for. Peers that are sent the same message share it.
pub const MAX_BACKLOG: usize = 8 << 20;

/// How long one of many peers may have taken nothing since messages began to wait for it, before it is closed when its backlog is
/// full. The others wait with it for as long, at most, and once: some round trips of a slow line.
pub const DEAF_PATIENCE: Duration = Duration::from_secs(1);

/// The same of a peer that has taken something since: a reader that makes progress stays, and is waited for. Long enough for a
/// lost packet to be sent again, and for a receiver to announce room after it had none.
pub const SLOW_PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether a peer that messages wait for has taken something.
pub const PROGRESS_LOOK: Duration = Duration::from_millis(100);

/// Bytes that the system takes for a TCP peer of a listener ahead of what its connection can carry (TCP_NOTSENT_LOWAT): Linux
/// takes 4 MB otherwise, and a slow reader would seem to read nothing for as long as they last.
pub const MAX_UNSENT: u32 = 128 << 10;

/// How long one of many peers may take nothing of messages that wait for it, though there is room for more of them.
pub const SLOW_PEER_TIMEOUT: Duration = Duration::from_secs(10);

/// Commands that are read ahead while a message waits for a peer, to find one that ends the peer or the run.
pub const COMMANDS_AHEAD: usize = 1024;

/// Bytes of messages in these.
pub const BYTES_AHEAD: usize = 4 << 20;

/// How long one of many peers may take nothing of what is left for it when its conversation ends: a peer that has ended its
/// side and reads nothing would be held for ever.
pub const FINISHING: Duration = Duration::from_secs(30);

/// The pause before a lost connection is made again for the first time; it doubles with every further attempt.
pub const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause before a lost connection is made again: a server that was restarted is not waited for longer. A connection
/// that lasted longer than this is no failure, and the pause is short again.
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
        // Refused only where a sandbox forbids it: the old limit then stays, and running out is said when it happens.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current
}

/// How many files this process may open.
#[cfg(unix)]
pub(crate) fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn raise_open_files() -> Option<u64> {
    None
}

/// There is no such limit here.
#[cfg(not(unix))]
pub(crate) fn open_files() -> Option<u64> {
    None
}

/// How long a peer may send and take nothing in the middle of a file, unless told otherwise.
pub const TRANSFER_STALL: Duration = Duration::from_secs(20);

/// Bytes of a header, request or answer of the plain protocol for files: a name of 4 KiB, escaped, and a few numbers fit.
pub const PLAIN_HEADER: usize = 64 << 10;

/// Clients of the plain protocol that are served at once: each may hold a few reads in memory. Later ones wait in the backlog.
pub const PLAIN_CLIENTS: usize = 16;

/// Bytes of a refused upload that are read and thrown away, so that its client can finish writing and read why. A longer one is cut.
pub const PLAIN_DISCARDED: u64 = 64 << 20;

/// How long a client waits that does not have the secret of a transfer: guesses are slow.
pub const SECRET_PAUSE: Duration = Duration::from_secs(1);

/// Clients of a transfer that have not shown its secret yet; when there are more, the oldest makes room.
pub const TRANSFER_GUESTS: usize = 64;
