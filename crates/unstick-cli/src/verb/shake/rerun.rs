//! Builds the command that runs one case again: the typed command, with this case instead of those that it tried.

use unstick::wire::shake::Case;

/// Options that choose the cases or the report's place, each with a value after it.
const LEFT_OUT: [&str; 6] = ["--case", "--against", "--cases", "--seed", "--time", "--junit"];

/// Options whose value may look like another option.
const WITH_VALUE: [&str; 10] =
    ["--to", "--start", "-f", "--frame", "--send", "--send-hex", "--send-file", "--depth", "--jobs", "--timeout"];

/// Builds the command from the typed words, the program's name first.
pub fn command(typed: &[String], base: &Case, case: &Case) -> String {
    let mut words = vec!["unstick".to_owned()];
    let mut typed = typed.iter().skip(1);
    let mut rest = Vec::new();
    while let Some(word) = typed.next() {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        if word == "--" {
            rest.extend(typed.by_ref().cloned());
        } else if LEFT_OUT.contains(&name) {
            if value.is_none() {
                typed.next();
            }
        } else if word != "--json" {
            words.push(quoted(word));
            if WITH_VALUE.contains(&word.as_str()) {
                words.extend(typed.next().map(|value| quoted(value)));
            }
        }
    }
    if !base.edits().is_empty() {
        words.extend(["--against".to_owned(), quoted(&base.to_string())]);
    }
    words.extend(["--case".to_owned(), quoted(&case.to_string())]);
    if !rest.is_empty() {
        words.push("--".to_owned());
        words.extend(rest.iter().map(|word| quoted(word)));
    }
    words.join(" ")
}

/// Quotes a word for the shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%{}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(typed: &[&str]) -> String {
        let typed: Vec<String> = typed.iter().map(|word| (*word).to_owned()).collect();
        command(&typed, &Case::uncut(), &"c2s:cut@1,c2s:cut@4".parse().expect("it is a case"))
    }

    #[test]
    fn what_it_was_compared_with_is_said() {
        let case = |text: &str| text.parse::<Case>().expect("it is a case");
        let typed = ["unstick", "shake", "--to", ":80", "--against", "s2c:bytes"].map(str::to_owned);
        assert_eq!(
            command(&typed, &case("s2c:cut@4"), &case("s2c:join@0..9")),
            "unstick shake --to :80 --against s2c:cut@4 --case s2c:join@0..9"
        );
    }

    #[test]
    fn the_case_stands_before_the_command_and_instead_of_others() {
        let typed = [
            "/bin/unstick",
            "shake",
            "--to",
            ":80",
            "--json",
            "--case",
            "s2c:bytes",
            "--time=9s",
            "--",
            "./a b",
            "{port}",
        ];
        assert_eq!(again(&typed), "unstick shake --to :80 --case c2s:cut@1,c2s:cut@4 -- './a b' {port}");
    }

    #[test]
    fn a_value_is_no_option() {
        let typed =
            ["unstick", "shake", "--send", "--json", "--send=it's", "--to", ":80", "--junit", "x.xml", "--seed", "4"];
        assert_eq!(again(&typed), r"unstick shake --send --json '--send=it'\''s' --to :80 --case c2s:cut@1,c2s:cut@4");
    }
}
