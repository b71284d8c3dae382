//! `./soak`: long runs of the real program, each part with a bar that it meets or fails.
//!
//! Not here: short versions of `resets` and `bytes`, which are ordinary tests of the crate `unstick`.

mod bytes;
mod captures;
mod clients;
mod fuzz;
mod live;
mod program;
mod random;
mod resets;

use std::process::ExitCode;
use std::time::{Duration, Instant};

const HELP: &str = "\
./soak                  run every part
./soak resets [N]       N runs (1000) of every kind of reset through a bridge: each is seen as a reset
./soak bytes [TIME]     random traffic between every pair of transports for TIME (10m): no byte is altered or lost
./soak clients [PART]   hold 19,000 TCP, 10,000 WebSocket and 6,000 TLS clients at once (PART: tcp, ws, tls, silent)
./soak live [N]         send N mutated streams (1M) to listeners of every framing and preset: a good client is still answered
./soak fuzz [N]         decode N mutated streams (28M), then encode what was decoded
./soak captures [BYTES] read and guess mutated captures, until each has taken BYTES (1000M); bench/captures fetches them before
";

/// What a part found: a line for each failure.
pub type Failures = Vec<String>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let amount = words.get(1).map(String::as_str);
    let parts: Vec<&str> = match words.first().map(String::as_str) {
        None => vec!["resets", "clients", "live", "fuzz", "bytes"],
        Some(part @ ("resets" | "bytes" | "clients" | "live" | "fuzz" | "captures")) => vec![part],
        Some("-h" | "--help" | "help") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            eprint!("{other} is no part of the soak\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    unstick::limits::raise_open_files();
    let mut failed = false;
    for part in parts {
        let begun = Instant::now();
        println!("== {part}");
        let failures = match (part, amount) {
            ("captures", amount) => captures::run(count(amount, 1_000_000_000)),
            ("fuzz", amount) => fuzz::run(count(amount, 28_000_000)),
            (part, amount) => run(part, amount),
        };
        for failure in failures.iter().take(20) {
            println!("FAILED {failure}");
        }
        let verdict = if failures.is_empty() { "met".to_owned() } else { format!("{} failures", failures.len()) };
        println!("== {part}: {verdict} ({:.1?})\n", begun.elapsed());
        failed |= !failures.is_empty();
    }
    ExitCode::from(u8::from(failed))
}

fn run(part: &str, amount: Option<&str>) -> Failures {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("the machine has threads").block_on(async {
        match part {
            "resets" => resets::run(count(amount, 1_000) as usize).await,
            "live" => live::run(count(amount, 1_000_000)).await,
            "bytes" => bytes::run(time(amount, Duration::from_secs(600))).await,
            _ => clients::run(amount.unwrap_or("all")).await,
        }
    })
}

/// 1000, 28M.
fn count(amount: Option<&str>, default: u64) -> u64 {
    let Some(amount) = amount else { return default };
    let (digits, factor) = match amount.strip_suffix('M') {
        Some(digits) => (digits, 1_000_000),
        None => (amount, 1),
    };
    digits.parse::<u64>().unwrap_or_else(|_| panic!("{amount} is no number")) * factor
}

/// 90s, 10m.
fn time(amount: Option<&str>, default: Duration) -> Duration {
    let Some(amount) = amount else { return default };
    let (digits, factor) = match (amount.strip_suffix('m'), amount.strip_suffix('s')) {
        (Some(minutes), _) => (minutes, 60),
        (_, Some(seconds)) => (seconds, 1),
        _ => (amount, 1),
    };
    Duration::from_secs(digits.parse::<u64>().unwrap_or_else(|_| panic!("{amount} is no time")) * factor)
}
