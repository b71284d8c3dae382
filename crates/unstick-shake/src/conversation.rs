//! Runs one conversation once, as a case says.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;
use unstick_wire::shake::{Case, Direction, Segmenter, Tally};

use super::awaited::Awaited;
use super::child::{self, Output, Program};
use super::forward::{Forwarder, listen};
use super::handshakes::Handshakes;
use super::hold::{Hold, settled};
use super::in_process::{Make, Stream};
use super::outcome::{Ending, Exit, Outcome};
use super::recorder::{Recorder, Recorders};
use super::script::Script;
use super::sink::{Sink, Wire};
use super::target::{Inlet, Target, halves};
use crate::limits;
use unstick::internal::Table;
use unstick::{Error, Result};

use Direction::{ClientToServer, ServerToClient};

/// What is tested.
#[derive(Clone)]
pub(super) enum Subject {
    /// A client, started for each case, and the server that it talks to.
    Client { command: Vec<String>, server: Server },
    /// A server, which is sent each of these writes on its own.
    Server { writes: Vec<Vec<u8>>, server: Server },
    /// A program on pipes.
    Pipes { command: Vec<String>, writes: Vec<Vec<u8>> },
    /// A service inside a test.
    Service { make: Arc<Make>, writes: Vec<Vec<u8>> },
}

/// The server of a conversation.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) address: Target,
    /// The command that starts it, again for each case.
    pub(super) start: Option<String>,
}

/// How long things may take, learnt from baseline runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How long a whole run may take.
    pub(super) total: Duration,
    /// How long a receiver may take to read what comes before its first cut: a program that was just started reads
    /// late.
    pub(super) first_read: Duration,
    /// The silence after which a join is given up.
    pub(super) quiet: Duration,
    /// The silence after which a conversation that has no end is over.
    pub(super) settle: Duration,
    /// Whether the server ends its side. If it does not, a run waits for `expected` bytes.
    pub(super) ends: bool,
    pub(super) expected: usize,
    /// When unstick ends its own side.
    pub(super) hold: Hold,
    /// How long a run usually takes, or the runs that run at once.
    pub(super) typical: Duration,
}

impl Bounds {
    /// The bounds before anything is known.
    pub(super) fn unknown(timeout: Option<Duration>, subject: &Subject) -> Self {
        let inside = matches!(subject, Subject::Service { .. });
        let (settle, patience) = if inside { (ANSWER_INSIDE, SILENCE_INSIDE) } else { (ANSWER, SILENCE) };
        let total = timeout.unwrap_or(limits::BASELINE_PATIENCE);
        Self {
            total,
            first_read: match subject {
                Subject::Pipes { .. } => limits::BASELINE_PATIENCE,
                _ => limits::CUT_PATIENCE,
            },
            quiet: Duration::from_millis(100),
            settle: Duration::from_secs(1),
            ends: false,
            expected: 0,
            hold: Hold { expected: 0, answer: Duration::ZERO, settle, patience, most: total, unknown: true },
            typical: Duration::ZERO,
        }
    }
}

/// The silence after an answer that ends a first run; and the silence without an answer, which is lost time once if a server
/// answers only after the end. Inside a test there is no network, and little else that takes time.
const ANSWER: Duration = Duration::from_millis(300);
const SILENCE: Duration = Duration::from_secs(1);
const ANSWER_INSIDE: Duration = Duration::from_millis(20);
const SILENCE_INSIDE: Duration = Duration::from_millis(100);

/// Runs conversations.
pub(super) struct Runner {
    pub(super) subject: Subject,
    pub(super) table: Option<Arc<Table>>,
    /// Whether the client half-closes after its last byte.
    pub(super) half_close: bool,
    /// Whether what the client prints is compared.
    pub(super) output: bool,
    /// The connections of the server's last run, which may keep its port.
    pub(super) last: Mutex<Vec<Wire>>,
    /// Whether the server was seen not to end its side after the client has: no later run waits for that.
    pub(super) stays: AtomicBool,
    /// The handshakes with the server.
    pub(super) handshakes: Mutex<Handshakes>,
    /// What the writes of a recorded client wait for.
    pub(super) awaited: Option<Awaited>,
}

impl Subject {
    /// What unstick writes, if it is the client.
    pub(super) fn writes(&self) -> &[Vec<u8>] {
        match self {
            Self::Client { .. } => &[],
            Self::Server { writes, .. } | Self::Pipes { writes, .. } | Self::Service { writes, .. } => writes,
        }
    }

    /// The same subject with other writes.
    fn telling(mut self, said: Vec<Vec<u8>>) -> Self {
        match &mut self {
            Self::Client { .. } => {}
            Self::Server { writes, .. } | Self::Pipes { writes, .. } | Self::Service { writes, .. } => *writes = said,
        }
        self
    }
}

impl Runner {
    /// Makes a runner that writes something else, and does not end its side.
    pub(super) fn telling(&self, writes: Vec<Vec<u8>>) -> Self {
        Self {
            subject: self.subject.clone().telling(writes),
            table: self.table.clone(),
            half_close: false,
            output: self.output,
            last: Mutex::default(),
            stays: AtomicBool::new(false),
            handshakes: Mutex::default(),
            awaited: None,
        }
    }

    /// Runs the conversation once.
    pub(super) async fn run(self: &Arc<Self>, case: &Case, bounds: Bounds) -> Result<Outcome> {
        let begun = Instant::now();
        let mut outcome = match &self.subject {
            Subject::Client { command, server } => Box::pin(self.client(case, bounds, command, server)).await?,
            Subject::Server { writes, server } => Box::pin(self.server(case, bounds, writes, server)).await?,
            Subject::Pipes { command, writes } => Box::pin(self.pipes(case, bounds, command, writes)).await?,
            Subject::Service { make, writes } => Box::pin(self.service(case, bounds, &**make, writes)).await,
        };
        if !matches!(self.subject, Subject::Client { .. }) {
            outcome.scripted(self.subject.writes(), self.half_close);
        }
        outcome.took = begun.elapsed();
        outcome.active = outcome.took.saturating_sub(outcome.waited);
        Ok(outcome)
    }

    /// Relays between a client and its server.
    async fn client(
        self: &Arc<Self>,
        case: &Case,
        bounds: Bounds,
        command: &[String],
        server: &Server,
    ) -> Result<Outcome> {
        let (mut started, to) = self.start(server).await?;
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| Error::io("listening for the client", e))?;
        let at = listener.local_addr().map_err(|e| Error::io("listening for the client", e))?;
        let output = if self.output { Output::Stream } else { Output::Said };
        let mut client = Program::start(filled(command, at), &command.join(" "), output)?;
        let stdout = client.stdout();
        let reader = stdout.map(|stdout| tokio::spawn(child::read_output(stdout)));
        let recorders = Recorders::default();
        let mut meeting = Meeting { recorders: recorders.clone(), relays: JoinSet::new(), failure: None };
        let mut outcome = Outcome::default();
        let whole = async {
            let exit = self.attend(&mut client, &listener, &mut meeting, case, (&to, bounds)).await;
            meeting.wind_up(bounds).await;
            exit
        };
        match recorders.in_time(bounds.total, whole).await {
            Some(exit) => outcome.exit = Some(exit),
            None => {
                outcome.late = true;
                outcome.exit = Some(client.has_ended().unwrap_or(Exit::Never));
            }
        }
        meeting.relays.shutdown().await;
        outcome.client_said = client.end().await;
        if let Some(reader) = reader {
            outcome.output = Some(reader.await.unwrap_or_default());
        }
        if let Some(started) = started.take() {
            outcome.server_said = started.end().await;
        }
        match meeting.failure {
            Some(failure) => Err(failure),
            None => Ok(outcome.with(&recorders)),
        }
    }

    /// Relays the client's connections until the client has ended.
    async fn attend(
        self: &Arc<Self>,
        client: &mut Program,
        listener: &TcpListener,
        meeting: &mut Meeting,
        case: &Case,
        (to, bounds): (&Target, Bounds),
    ) -> Exit {
        let mut exit = None;
        loop {
            tokio::select! {
                biased;
                Ok((stream, _)) = listener.accept() => self.relay(meeting, stream, to, case, bounds),
                Some(Ok(Err(failure))) = meeting.relays.join_next(), if !meeting.relays.is_empty() => {
                    meeting.failure.get_or_insert(failure);
                    return exit.unwrap_or(Exit::Never);
                }
                // A connection that the client made just before it ended is in the backlog.
                () = async {}, if exit.is_some() => return exit.unwrap_or(Exit::Never),
                ended = client.exit(), if exit.is_none() => exit = Some(ended),
            }
        }
    }

    fn relay(self: &Arc<Self>, meeting: &mut Meeting, client: TcpStream, to: &Target, case: &Case, bounds: Bounds) {
        let recorder = meeting.recorders.next();
        let table = self.table.clone();
        let spare = self.is_on_one_port();
        let knives = Direction::BOTH.map(|way| Segmenter::new(case, way));
        let started = matches!(&self.subject, Subject::Client { server, .. } if server.start.is_some());
        let (runner, to) = (Arc::clone(self), to.clone());
        meeting.relays.spawn(async move {
            let (mut from_server, mut to_server) = runner.connect(&to, started).await?;
            let lost = |e| Error::io("the connection", e);
            let (mut from_client, mut to_client) = halves(client, table.as_ref()).map_err(lost)?;
            let [forth, back] = knives;
            let there = Forwarder {
                way: ClientToServer,
                recorder: &recorder,
                quiet: bounds.quiet,
                first_read: bounds.first_read,
                spare,
                hold: None,
                ends: true,
            };
            let here = Forwarder { way: ServerToClient, spare: false, ..there };
            tokio::join!(
                there.run(forth, &mut from_client, &mut to_server),
                here.run(back, &mut from_server, &mut to_client)
            );
            runner.remember(&to_server);
            Ok(())
        });
    }

    /// Sends the given bytes to a server.
    async fn server(&self, case: &Case, bounds: Bounds, writes: &[Vec<u8>], server: &Server) -> Result<Outcome> {
        let (started, to) = self.start(server).await?;
        let (mut from, mut outlet) = self.connect(&to, started.is_some()).await?;
        let recorders = Recorders::default();
        let recorder = recorders.next();
        let mut script = self.script(writes, &recorder, &bounds);
        let passage = Forwarder { spare: self.is_on_one_port(), ..self.scripted(case, bounds, &recorder) };
        let talk = async {
            let forth = passage.run(Segmenter::new(case, ClientToServer), &mut script, &mut outlet);
            self.together(forth, listen(&recorder, ServerToClient, &mut from), &recorder, bounds).await;
        };
        let late = recorders.in_time(bounds.total, talk).await.is_none();
        let outcome = Outcome { late, ..Outcome::default() }.with(&recorders);
        self.leave(from, outlet, &recorder, bounds).await;
        match started {
            Some(started) => Ok(Outcome { server_said: started.end().await, ..outcome }),
            None => Ok(outcome),
        }
    }

    /// Ends a connection in order: a server may not be prepared for a reset. A server that has its port from unstick is
    /// ended itself, and must leave the port free.
    async fn leave(&self, mut from: Inlet, mut outlet: Sink, recorder: &Recorder, bounds: Bounds) {
        self.remember(&outlet);
        if self.is_on_one_port() {
            return outlet.reset();
        }
        outlet.end().await;
        if recorder.ending(ServerToClient) != Ending::Open {
            return;
        }
        // If bytes are unread when the socket is closed, the kernel sends a reset.
        let mut buffer = vec![0; 4096];
        let rest = async { while matches!(from.read(&mut buffer).await, Ok(1..)) {} };
        let patience = if self.stays.load(Relaxed) { Duration::from_millis(2) } else { limits::CLOSE_PATIENCE };
        if tokio::time::timeout(patience, rest).await.is_err() {
            if bounds.ends {
                // Without cuts, the server ends its side. In this run it waits for bytes that never come, and may serve
                // nobody else meanwhile.
                return outlet.reset();
            }
            self.stays.store(true, Relaxed);
        }
    }

    /// Gives a program the bytes on its standard input.
    async fn pipes(&self, case: &Case, bounds: Bounds, command: &[String], writes: &[Vec<u8>]) -> Result<Outcome> {
        let mut asked = Command::new(&command[0]);
        asked.args(&command[1..]).stdin(Stdio::piped());
        let mut program = Program::start(asked, &command.join(" "), Output::Stream)?;
        let (Some(stdin), Some(mut stdout)) = (program.stdin(), program.stdout()) else {
            return Err(Error::other("the program has no pipes"));
        };
        let recorders = Recorders::default();
        let recorder = recorders.next();
        let mut script = self.script(writes, &recorder, &bounds);
        let mut outlet = Sink::Pipe(Some(stdin));
        let passage = self.scripted(case, bounds, &recorder);
        let mut exit = None;
        let talk = async {
            let forth = passage.run(Segmenter::new(case, ClientToServer), &mut script, &mut outlet);
            self.together(forth, listen(&recorder, ServerToClient, &mut stdout), &recorder, bounds).await;
            if self.half_close || recorder.ending(ServerToClient) != Ending::Open {
                exit = Some(program.exit().await);
            }
        };
        let done = recorders.in_time(bounds.total, talk).await.is_some();
        let exit = exit.unwrap_or(Exit::Never);
        let outcome = Outcome { late: !done, exit: Some(exit), client_said: program.end().await, ..Outcome::default() };
        Ok(outcome.with(&recorders))
    }

    /// What unstick sends in one run.
    fn script(&self, writes: &[Vec<u8>], recorder: &Recorder, bounds: &Bounds) -> Script {
        let Bounds { hold, typical, .. } = bounds;
        let patience = (!hold.unknown).then(|| hold.patience.max(*typical * 2));
        Script::new(writes).behind(self.awaited.as_ref().map(|awaited| awaited.gate(recorder, patience)))
    }

    /// How unstick's own bytes are sent, and when its side ends.
    fn scripted<'a>(&self, case: &Case, bounds: Bounds, recorder: &'a Recorder) -> Forwarder<'a> {
        let hold = (!case.ends_early(ClientToServer)).then_some(bounds.hold);
        let ends = self.half_close || hold.is_none();
        let Bounds { quiet, first_read, .. } = bounds;
        Forwarder { way: ClientToServer, recorder, quiet, first_read, spare: false, hold, ends }
    }

    /// Runs both directions if unstick is the client: its own up to its end, then the answer up to its end, or up to a silence
    /// after it.
    async fn together(
        &self,
        forth: impl Future<Output = ()>,
        back: impl Future<Output = ()>,
        recorder: &Recorder,
        bounds: Bounds,
    ) {
        let (mut forth, mut back) = (std::pin::pin!(forth), std::pin::pin!(back));
        let mut heard = false;
        loop {
            tokio::select! {
                biased;
                () = &mut back, if !heard => heard = true,
                () = &mut forth => break,
            }
        }
        let silence = async {
            if bounds.ends {
                std::future::pending::<()>().await;
            }
            settled(recorder, bounds.expected, bounds.settle).await;
        };
        // If the receiver closed before everything was sent, its last bytes are still on their way.
        if !heard && (self.half_close || !recorder.open().concluded) {
            tokio::select! {
                () = back => {}
                () = silence => {}
            }
        }
    }

    /// Gives a service a stream.
    async fn service(&self, case: &Case, bounds: Bounds, make: &Make, writes: &[Vec<u8>]) -> Outcome {
        let recorders = Recorders::default();
        let hold = (!case.ends_early(ClientToServer)).then_some(bounds.hold);
        let ends = self.half_close || hold.is_none();
        let stream =
            Stream::new(Segmenter::new(case, ClientToServer), Script::new(writes), recorders.next(), hold, ends);
        let task = tokio::spawn(make(stream));
        let abort = task.abort_handle();
        let ended = recorders.in_time(bounds.total, task).await;
        abort.abort();
        let exit = match &ended {
            Some(Ok(())) => Exit::Status(0),
            Some(Err(_)) => Exit::Panic,
            None => Exit::Never,
        };
        Outcome { late: ended.is_none(), exit: Some(exit), ..Outcome::default() }.with(&recorders)
    }

    /// Whether a server is started for each run on the same port, which nothing may keep.
    fn is_on_one_port(&self) -> bool {
        let (Subject::Client { server, .. } | Subject::Server { server, .. }) = &self.subject else { return false };
        server.start.is_some() && server.address.is_fixed()
    }

    /// Remembers a connection that may keep the server's port.
    fn remember(&self, outlet: &Sink) {
        if let Some(wire) = outlet.wire().filter(|_| self.is_on_one_port()) {
            self.last.lock().unwrap_or_else(PoisonError::into_inner).push(wire.clone());
        }
    }

    /// Waits until no earlier connection keeps the server's port. If both sides have ended at the same moment the
    /// kernel would keep it for a minute, so this ends that wait early.
    pub(super) async fn port_is_free(&self) {
        let last = std::mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner));
        for wire in last {
            while wire.lingers() {
                // It begins to connect, or cannot: either way the table shows whether that has helped.
                let _ = wire.end_lingering();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
}

/// The connections of one client.
struct Meeting {
    recorders: Recorders,
    relays: JoinSet<Result<()>>,
    failure: Option<Error>,
}

impl Meeting {
    /// Waits for what is still under way after the client has ended.
    async fn wind_up(&mut self, bounds: Bounds) {
        let recorders = self.recorders.clone();
        let relays = &mut self.relays;
        let failure = &mut self.failure;
        let rest = async {
            while let Some(ended) = relays.join_next().await {
                if let Ok(Err(error)) = ended {
                    failure.get_or_insert(error);
                }
            }
        };
        if bounds.ends {
            rest.await;
        } else {
            tokio::select! {
                () = rest => {}
                () = silence(&recorders, bounds) => {}
            }
        }
    }
}

/// Resolves once as many bytes as expected have come, and nothing more for a while.
async fn silence(recorders: &Recorders, bounds: Bounds) {
    let said = || Direction::BOTH.map(|way| recorders.length(way));
    let mut known = said();
    loop {
        tokio::time::sleep(bounds.settle).await;
        let now = said();
        if now == known && now[ServerToClient.index()] >= bounds.expected {
            return;
        }
        known = now;
    }
}

/// Fills in the client's command: where to connect to.
fn filled(command: &[String], at: SocketAddr) -> Command {
    let (host, port, address) = (at.ip().to_string(), at.port().to_string(), at.to_string());
    let fill = |word: &String| word.replace("{host}", &host).replace("{port}", &port).replace("{address}", &address);
    let mut filled = Command::new(fill(&command[0]));
    filled.args(command[1..].iter().map(fill)).env("UNSTICK_PORT", &port).stdin(Stdio::null());
    filled
}

impl Outcome {
    fn with(mut self, recorders: &Recorders) -> Self {
        for recorder in recorders.all() {
            let written = recorder.open();
            self.tally = written.tally.iter().fold(self.tally, |sum: Tally, one| sum.plus(*one));
            self.pause = self.pause.max(written.pause);
            self.waited += written.waited;
            self.overflowed |= written.overflowed;
            self.exchanges.push(written.exchange.clone());
            drop(written);
            self.timing = recorder.timing();
        }
        self
    }
}

/// How many times a late baseline run is tried: it may have met a busy machine.
const PUNCTUAL: usize = 3;

/// Runs the conversation until a run is not late, at most [`PUNCTUAL`] times.
pub(super) async fn punctual(runner: &Arc<Runner>, case: &Case, bounds: Bounds) -> Result<Outcome> {
    let mut outcome = runner.run(case, bounds).await?;
    for _ in 1..PUNCTUAL {
        let given_up = outcome.timing.given_up && !bounds.hold.unknown;
        if !outcome.late && !given_up {
            break;
        }
        outcome = runner.run(case, bounds).await?;
    }
    Ok(outcome)
}
