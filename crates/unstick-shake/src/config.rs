//! The settings of a run: what is tested, and how thoroughly.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use unstick::Result;
use unstick_wire::Framing;
use unstick_wire::replay::Script;
use unstick_wire::shake::{Case, Stage};

use super::awaited::Awaited;
use super::conversation::{Server, Subject};
use super::in_process::Stream;
use super::stop::Stop;
use super::target::Target;

/// A program to test, and how thoroughly.
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
    pub(super) awaited: Option<Awaited>,
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

/// A callback that is called with the progress.
pub(super) type Tell = Arc<dyn Fn(&Progress) + Send + Sync>;

/// The progress of a run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress {
    /// The stage of the run; `None` during the baseline runs.
    pub stage: Option<Stage>,
    /// Number of cases done.
    pub done: u64,
    /// Number of cases planned up to now.
    pub planned: u64,
    /// Number of cases that differed from the baseline.
    pub suspects: u64,
    /// Estimate of the whole time, baseline runs included; set before the first case.
    pub estimate: Option<Duration>,
}

/// Number of bytes of each direction in which every single cut is tried, by default.
pub const DEPTH: u64 = 4096;

impl Shake {
    fn new(subject: Subject) -> Self {
        Self {
            subject,
            framing: None,
            awaited: None,
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

    /// Tests a client, started for each case, with the server that it talks to. `{host}`, `{port}` and `{address}` in
    /// its words, and `UNSTICK_PORT` in its environment, say where it connects to.
    pub fn client(command: impl IntoIterator<Item = impl Into<String>>, server: impl Into<Target>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        let address = server.into().below_web_sockets();
        Self::new(Subject::Client { command, server: Server { address, start: None } })
    }

    /// Tests a server, which is sent these bytes in one write.
    pub fn server(bytes: impl Into<Vec<u8>>, server: impl Into<Target>) -> Self {
        let server = Server { address: server.into(), start: None };
        Self::new(Subject::Server { writes: vec![bytes.into()], server })
    }

    /// Tests a program that is given these bytes on its standard input, in one write.
    pub fn pipes(command: impl IntoIterator<Item = impl Into<String>>, bytes: impl Into<Vec<u8>>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        Self::new(Subject::Pipes { command, writes: vec![bytes.into()] })
    }

    /// Tests an async service inside a test. It is called for each case with a stream on which a client has sent these
    /// bytes.
    pub fn service<F, S>(bytes: impl Into<Vec<u8>>, service: S) -> Self
    where
        S: Fn(Stream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let make = Arc::new(move |stream| Box::pin(service(stream)) as _);
        Self::new(Subject::Service { make, writes: vec![bytes.into()] })
    }

    /// Adds more bytes, if unstick is the client. They are written on their own once the bytes before them have been
    /// read (or a second has passed), like a client that takes its time. A join sends them together.
    #[must_use]
    pub fn then(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Subject::Server { writes, .. } | Subject::Pipes { writes, .. } | Subject::Service { writes, .. } =
            &mut self.subject
        {
            writes.push(bytes.into());
        }
        self
    }

    /// Sends what the client of a recorded connection sent, in place of the bytes that were given: each message on its own, once
    /// as many messages of the server have come as before it in the recording. `framings` are those of the client and of the server;
    /// if they are the same, messages are compared. A service inside a test gets the messages without waiting.
    ///
    /// `unstick::service::replay::Recorded` reads recordings.
    ///
    /// # Errors
    ///
    /// If the client sent nothing, or if the connection was recorded as messages without frames.
    pub fn recorded(mut self, script: &Script, framings: [Framing; 2]) -> Result<Self> {
        if framings[0] == framings[1] {
            self.framing = Some(framings[0].clone());
        }
        let (recorded, awaited) = Awaited::of(script, framings)?;
        if let Subject::Server { writes, .. } | Subject::Pipes { writes, .. } | Subject::Service { writes, .. } =
            &mut self.subject
        {
            *writes = recorded;
        }
        self.awaited = Some(awaited);
        Ok(self)
    }

    /// Starts the server with this command, again for each case. With port 0 in the server's address each start gets a
    /// free port, `{port}` in the command.
    #[must_use]
    pub fn start(mut self, command: impl Into<String>) -> Self {
        if let Subject::Client { server, .. } | Subject::Server { server, .. } = &mut self.subject {
            server.start = Some(command.into());
        }
        self
    }

    /// Sets the framing of both directions: messages are compared instead of bytes, and boundaries are tried first.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = Some(framing);
        self
    }

    /// Whether the client, if that is unstick, half-closes once it has been answered, and whether half-close
    /// is tried: an end right after the last byte. On by default.
    #[must_use]
    pub fn half_close(mut self, half_close: bool) -> Self {
        self.half_close = half_close;
        self
    }

    /// Whether what the client prints is compared, too. Off by default.
    #[must_use]
    pub fn compare_output(mut self, compare: bool) -> Self {
        self.output = compare;
        self
    }

    /// Number of bytes of each direction in which every single cut is tried: [`DEPTH`] by default.
    #[must_use]
    pub fn depth(mut self, bytes: u64) -> Self {
        self.depth = bytes;
        self
    }

    /// Seed of the random cases: 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Stops after this time, and tries random cases until then.
    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Tries this many random cases after the planned ones: none by default.
    #[must_use]
    pub fn random(mut self, cases: u64) -> Self {
        self.random = Some(cases);
        self
    }

    /// Tries only these cases.
    #[must_use]
    pub fn only(mut self, cases: impl IntoIterator<Item = Case>) -> Self {
        self.cases.extend(cases);
        self
    }

    /// Compares with the outcome of this case, and every run delivers the bytes with its edits too, beside those of its
    /// own case. For a program that fails without cuts. [`Case::uncut`] by default.
    #[must_use]
    pub fn against(mut self, case: Case) -> Self {
        self.against = case;
        self
    }

    /// Number of conversations at once: as many as the server allows by default.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = Some(jobs.max(1));
        self
    }

    /// How long a run may take before it counts as hanging: learnt from the baseline runs by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether the way a side ends counts, too: a reset instead of an end, and an answer that is dropped at half-close.
    /// Off by default.
    #[must_use]
    pub fn strict_end(mut self, strict: bool) -> Self {
        self.strict_end = strict;
        self
    }

    /// Lets this handle stop the run early: the run then reports what it has found.
    #[must_use]
    pub fn stopped_by(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    /// Calls this function with the progress after each case.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}
