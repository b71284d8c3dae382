//! The program under test as a process: started, its addresses read from `--json`, measured, ended by its id.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

pub struct Program {
    child: Child,
    /// Commands are read from it: it stays open.
    _stdin: Option<ChildStdin>,
    pub address: String,
    pub said: String,
}

impl Program {
    /// Starts `unstick listen ...` with `--json`, and waits until it listens. Its events are read and thrown away.
    pub async fn listen(words: &[&str]) -> Self {
        let program = std::env::var("UNSTICK").unwrap_or_else(|_| "target/release/unstick".into());
        let mut command = Command::new(&program);
        command.arg("listen").args(words).arg("--json");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; ./soak builds it"));
        let stdin = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe was asked for")).split(b'\n');
        let said = words.join(" ");
        let address = loop {
            let line = lines.next_segment().await.expect("a pipe can be read");
            let line = line.unwrap_or_else(|| panic!("unstick listen {said} has ended"));
            let event: serde_json::Value = serde_json::from_slice(&line).expect("each line is JSON");
            if event["event"] == "listening" {
                break event["address"].as_str().expect("a listener has an address").to_owned();
            }
            assert!(event["event"] != "error", "unstick listen {said}: {event}");
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_segment().await {} });
        Self { child, _stdin: stdin, address, said }
    }

    fn id(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// KiB of resident memory.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    }

    pub fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until no more files are open than `files`; false after ten seconds.
    pub async fn rests_at(&self, files: usize) -> bool {
        for _ in 0..200 {
            if self.files() <= files {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    pub async fn end(mut self) {
        let _ = self.child.kill().await;
    }
}

/// A folder that goes with its owner.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("unstick-soak-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }

    pub fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
