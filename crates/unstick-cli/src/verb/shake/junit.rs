//! Writes the report of `shake` in JUnit's format.

use std::path::Path;

use unstick::Result;
use unstick_shake::{Report, Verdict};

use crate::advice;
use crate::junit::escaped;

/// Writes one test case for each case that ran. If nothing is certain, one more says why.
pub fn write(path: &Path, report: &Report) -> Result<()> {
    let failures = report.results.iter().filter(|(_, failed)| *failed).count();
    let doubt = report.notes.first().filter(|_| report.verdict == Verdict::Inconclusive);
    let count = report.results.len() + usize::from(doubt.is_some());
    let seconds = report.took.as_secs_f64();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"unstick shake\" tests=\"{count}\" failures=\"{failures}\" errors=\"{}\" time=\"{seconds:.3}\">\n",
        usize::from(doubt.is_some())
    );
    for (case, failed) in &report.results {
        let name = escaped(&case.to_string());
        xml += &format!("  <testcase classname=\"unstick.shake\" name=\"{name}\"");
        match report.findings.iter().find(|finding| *failed && finding.failing.contains(case)) {
            Some(finding) => {
                let (headline, pattern) = (escaped(&finding.headline()), escaped(&finding.pattern));
                xml += &format!(">\n    <failure message=\"{headline}\">{pattern}</failure>\n  </testcase>\n");
            }
            None if *failed => {
                xml += "><failure message=\"the outcome differs from the runs without cuts\"/></testcase>\n"
            }
            None => xml += "/>\n",
        }
    }
    if let Some(doubt) = doubt {
        let doubt = escaped(&doubt.told(advice::in_options));
        xml += "  <testcase classname=\"unstick.shake\" name=\"verdict\">";
        xml += &format!("<error message=\"inconclusive: {doubt}\"/></testcase>\n");
    }
    xml += "</testsuite>\n";
    crate::junit::write(path, &xml)
}
