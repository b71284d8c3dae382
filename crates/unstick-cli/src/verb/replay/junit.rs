//! Writes what came of a replay in JUnit's format: one test case for each connection.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use unstick::Result;
use unstick::service::replay::{Event, Place};
use unstick::wire::shake::Direction;

use super::difference::shown;
use crate::junit::{escaped, write};

/// Connections that the file lists: a server may run for days.
const MAX_LISTED: usize = 65_536;

/// What is known so far.
pub struct Junit {
    path: PathBuf,
    cases: Vec<Case>,
    /// Connections that were not listed.
    more: u64,
    /// How the connections that are open differ: a headline and more lines.
    differing: BTreeMap<u64, (String, String)>,
}

/// One connection.
struct Case {
    name: String,
    took: Duration,
    failure: Option<(String, String)>,
}

impl Junit {
    pub fn new(path: PathBuf) -> Self {
        Self { path, cases: Vec::new(), more: 0, differing: BTreeMap::new() }
    }

    /// Takes what happens.
    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Differs { place, recorded, received, at } => {
                let Place { peer, message, from, .. } = place;
                let way = Direction::from(*from).short();
                let what = match (recorded, received) {
                    (Some(_), Some(_)) => "differs from the recording",
                    (None, _) => "is one more than the recording has",
                    (Some(_), None) => "has not come",
                };
                let lines = shown(recorded.unwrap_or_default(), received.unwrap_or_default(), *at);
                self.differs(*peer, format!("message {message} ({way}) {what}"), lines);
            }
            Event::NotEnded { peer, .. } => {
                self.differs(*peer, "the server has not ended the connection".to_owned(), String::new());
            }
            Event::Failed { peer: Some(peer), error } => self.differs(*peer, error.to_string(), String::new()),
            Event::Closed { peer, connection, same, took, .. } => {
                let failure = self.differing.remove(peer);
                let differs = || ("it differs from the recording".to_owned(), String::new());
                let failure = if *same { None } else { Some(failure.unwrap_or_else(differs)) };
                if self.cases.len() >= MAX_LISTED {
                    self.more += 1;
                    return;
                }
                let name = format!("peer {peer}: connection {connection}");
                self.cases.push(Case { name, took: *took, failure });
            }
            _ => {}
        }
    }

    /// The first thing that is seen of a connection is its headline.
    fn differs(&mut self, peer: u64, headline: String, lines: String) {
        let (_, more) = self.differing.entry(peer).or_insert_with(|| (headline, String::new()));
        if more.is_empty() {
            *more = lines;
        }
    }

    /// Writes the file. `doubt`: why nothing is certain, or why the run failed.
    pub fn write(&self, doubt: Option<&str>) -> Result<()> {
        let failures = self.cases.iter().filter(|case| case.failure.is_some()).count();
        let tests = self.cases.len() + usize::from(doubt.is_some()) + usize::from(self.more > 0);
        let errors = usize::from(doubt.is_some());
        let seconds: f64 = self.cases.iter().map(|case| case.took.as_secs_f64()).sum();
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"unstick replay\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{}\" time=\"{seconds:.3}\">\n",
            usize::from(self.more > 0)
        );
        for Case { name, took, failure } in &self.cases {
            let (name, seconds) = (escaped(name), took.as_secs_f64());
            xml += &format!("  <testcase classname=\"unstick.replay\" name=\"{name}\" time=\"{seconds:.3}\"");
            match failure {
                Some((headline, lines)) => {
                    let lines: Vec<String> = lines.lines().map(escaped).collect();
                    let (headline, lines) = (escaped(headline), lines.join("\n"));
                    xml += &format!(">\n    <failure message=\"{headline}\">{lines}</failure>\n  </testcase>\n");
                }
                None => xml += "/>\n",
            }
        }
        if self.more > 0 {
            let what = format!("{} more connections are not listed", self.more);
            xml += &format!(
                "  <testcase classname=\"unstick.replay\" name=\"more\"><skipped message=\"{what}\"/></testcase>\n"
            );
        }
        if let Some(doubt) = doubt {
            xml += "  <testcase classname=\"unstick.replay\" name=\"verdict\">";
            xml += &format!("<error message=\"{}\"/></testcase>\n", escaped(doubt));
        }
        xml += "</testsuite>\n";
        write(&self.path, &xml)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_connections_are_listed_than_the_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut junit = Junit::new(file.path().to_owned());
        junit.cases =
            (0..MAX_LISTED).map(|_| Case { name: "<a>".to_owned(), took: Duration::ZERO, failure: None }).collect();
        junit.more = 2;
        junit.write(Some("\"why\"")).unwrap();
        let xml = std::fs::read_to_string(file.path()).unwrap();
        assert!(xml.contains("tests=\"65538\"") && xml.contains("skipped message=\"2 more connections"));
        assert!(xml.contains("name=\"&lt;a&gt;\"") && xml.contains("message=\"&quot;why&quot;\""));
    }
}
