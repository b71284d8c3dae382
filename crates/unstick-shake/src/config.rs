//! What is tried, and how thoroughly.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use unstick_wire::Framing;
use unstick_wire::shake::{Case, Stage};

use super::conversation::{Server, Subject};
use super::in_process::Stream;
use super::stop::Stop;
use super::target::Target;

/// A program to be tried, and how thoroughly.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use unstick_shake::Shake;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> unstick::Result<()> {
/// // Takes what one read returns for one message.
/// let hasty = |mut stream: unstick_shake::Stream| async move {
///     let mut buffer = [0; 1024];
///     let count = stream.read(&mut buffer).await.unwrap_or(0);
///     let _ = stream.write_all(&buffer[..count]).await;
/// };
/// let report = Shake::service(b"hello\n", hasty).run().await?;
/// assert!(!report.passed());
/// assert_eq!(report.findings[0].smallest.to_string(), "c2s:cut@1");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Shake {
    pub(super) subject: Subject,
    pub(super) framing: Option<Framing>,
    pub(super) half_close: bool,
    pub(super) output: bool,
    pub(super) depth: u64,
    pub(super) seed: u64,
    pub(super) time: Option<Duration>,
    pub(super) random: Option<u64>,
    pub(super) cases: Vec<Case>,
    pub(super) against: Case,
    pub(super) jobs: Option<usize>,
    pub(super) timeout: Option<Duration>,
    pub(super) strict_end: bool,
    pub(super) stop: Stop,
    pub(super) progress: Option<Tell>,
}

/// Is told how far it has come.
pub(super) type Tell = Arc<dyn Fn(&Progress) + Send + Sync>;

/// How far a shaking has come.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress {
    /// What is being tried; `None`: runs without cuts.
    pub stage: Option<Stage>,
    /// Cases done.
    pub done: u64,
    /// Cases planned up to now.
    pub planned: u64,
    /// Cases that went otherwise than without cuts.
    pub suspects: u64,
    /// How long all of it may take, runs without cuts included: said before the first case.
    pub estimate: Option<Duration>,
}

/// Bytes of each direction up to which every single cut is tried, unless told otherwise.
pub const DEPTH: u64 = 4096;

impl Shake {
    fn new(subject: Subject) -> Self {
        Self {
            subject,
            framing: None,
            half_close: true,
            output: false,
            depth: DEPTH,
            seed: 0,
            time: None,
            random: None,
            cases: Vec::new(),
            against: Case::uncut(),
            jobs: None,
            timeout: None,
            strict_end: false,
            stop: Stop::default(),
            progress: None,
        }
    }

    /// A client, started for each case, and the server that it talks to. `{host}`, `{port}` and `{address}` in its words,
    /// and `UNSTICK_PORT` in its environment, say where it connects to.
    pub fn client(command: impl IntoIterator<Item = impl Into<String>>, server: impl Into<Target>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        let address = server.into().below_web_sockets();
        Self::new(Subject::Client { command, server: Server { address, start: None } })
    }

    /// A server, which is sent these bytes in one write.
    pub fn server(bytes: impl Into<Vec<u8>>, server: impl Into<Target>) -> Self {
        let server = Server { address: server.into(), start: None };
        Self::new(Subject::Server { writes: vec![bytes.into()], server })
    }

    /// A program that is given these bytes on its standard input, in one write.
    pub fn pipes(command: impl IntoIterator<Item = impl Into<String>>, bytes: impl Into<Vec<u8>>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        Self::new(Subject::Pipes { command, writes: vec![bytes.into()] })
    }

    /// An async service inside a test: it is called for each case with a stream on which a client has sent these bytes.
    pub fn service<F, S>(bytes: impl Into<Vec<u8>>, service: S) -> Self
    where
        S: Fn(Stream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let make = Arc::new(move |stream| Box::pin(service(stream)) as _);
        Self::new(Subject::Service { make, writes: vec![bytes.into()] })
    }

    /// More bytes, where unstick is the client: written by themselves, once those before them have been read (or a
    /// second has passed), as a client does that takes its time. A join takes them together.
    #[must_use]
    pub fn then(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Subject::Server { writes, .. } | Subject::Pipes { writes, .. } | Subject::Service { writes, .. } =
            &mut self.subject
        {
            writes.push(bytes.into());
        }
        self
    }

    /// The command that starts the server, for each case anew. With port 0 in the server's address each start has a free
    /// port, `{port}` in the command.
    #[must_use]
    pub fn start(mut self, command: impl Into<String>) -> Self {
        if let Subject::Client { server, .. } | Subject::Server { server, .. } = &mut self.subject {
            server.start = Some(command.into());
        }
        self
    }

    /// The framing of both directions: messages are compared instead of bytes, and boundaries are tried first.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = Some(framing);
        self
    }

    /// Whether the client ends its side once it has been answered, where unstick is the client, and whether half-close is
    /// tried: an end right behind the last byte. On by default.
    #[must_use]
    pub fn half_close(mut self, half_close: bool) -> Self {
        self.half_close = half_close;
        self
    }

    /// Compares what the client prints, too. Off by default.
    #[must_use]
    pub fn compare_output(mut self, compare: bool) -> Self {
        self.output = compare;
        self
    }

    /// Bytes of each direction up to which every single cut is tried: [`DEPTH`] by default.
    #[must_use]
    pub fn depth(mut self, bytes: u64) -> Self {
        self.depth = bytes;
        self
    }

    /// The seed of random cases: 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Ends after so long, and until then tries random cases.
    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Tries so many random cases behind the planned ones: none by default.
    #[must_use]
    pub fn random(mut self, cases: u64) -> Self {
        self.random = Some(cases);
        self
    }

    /// Tries these cases only.
    #[must_use]
    pub fn only(mut self, cases: impl IntoIterator<Item = Case>) -> Self {
        self.cases.extend(cases);
        self
    }

    /// Compares with what this case comes to, and has every run deliver the bytes so beside its own case: for a program
    /// that fails without cuts. [`Case::uncut`] by default.
    #[must_use]
    pub fn against(mut self, case: Case) -> Self {
        self.against = case;
        self
    }

    /// Conversations at once: as many as the server allows by default.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = Some(jobs.max(1));
        self
    }

    /// How long a run may take before it counts as hanging: learnt from runs without cuts by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How a side ends counts, too: a reset instead of an end, and an answer that is dropped at half-close. Off by default.
    #[must_use]
    pub fn strict_end(mut self, strict: bool) -> Self {
        self.strict_end = strict;
        self
    }

    /// Lets it be ended from outside: it then reports what it has found.
    #[must_use]
    pub fn stopped_by(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    /// Tells how far it has come, after each case.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}
