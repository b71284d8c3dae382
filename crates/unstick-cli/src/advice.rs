//! Translates the library's advice into the options of this program.

use unstick::{Advice, Error};

use crate::fitting;

/// Returns the text after `hint:` below an error: what is known, and the options that help.
pub fn hint(error: &Error) -> Option<String> {
    match (error.hint(), error.advice()) {
        (None, None) => error.broken_frame().and_then(fitting::hint),
        (Some(hint), None) => Some(hint.to_owned()),
        (None, Some(advice)) => Some(in_options(advice)),
        (Some(hint), Some(advice)) => {
            let advice = in_options(advice);
            let mut letters = advice.chars();
            // A question ends its sentence, so the advice begins another.
            Some(match letters.next() {
                Some(first) if hint.ends_with('?') => format!("{hint} {}{}", first.to_uppercase(), letters.as_str()),
                _ => format!("{hint}; {advice}"),
            })
        }
    }
}

/// Returns the options that do what the advice says.
pub fn in_options(advice: &Advice) -> String {
    let text = match advice {
        Advice::Retry => "--retry 10s keeps trying",
        Advice::ConnectToCommand => "connect exec:COMMAND, or listen ADDRESS --to exec:COMMAND",
        Advice::ConnectToStdio => "use connect -",
        Advice::NameFraming => "-f or --to-frame names their framing",
        Advice::AllowBroadcast => "a broadcast address needs --broadcast",
        Advice::LeaveOutMode => "--mode is for sockets with a path",
        Advice::AllowLongerMessages => "--max-message SIZE allows more",
        Advice::AllowMorePending => "--max-pending SIZE allows more",
        Advice::AllowSlowerMessages => "--frame-timeout TIME sets how long one may take",
        Advice::PingLessOften => "--ping TIME sets how long an answer may take",
        Advice::AllowBinaryMessages => "without --text, unstick sends such a message as a binary message",
        Advice::AllowMoreProcesses => "--max-processes N allows more",
        Advice::AuthorizationHeader => "--header 'Authorization: ...' sends your credentials",
        Advice::HostHeader => "--header 'Host: NAME' asks for another",
        Advice::OfferSubprotocol => "--subprotocol NAME",
        Advice::AllowOrigin(origin) => return format!("--origin {origin} lets its pages in"),
        Advice::ProxyLogin { scheme } => return format!("--proxy {scheme}://USER:PASSWORD@HOST:PORT"),
        Advice::TrustWithoutSystem => "--ca FILE or --pin FINGERPRINT do without them",
        Advice::TrustAuthorityOrPin { fingerprint } => {
            return format!("--ca FILE trusts its authority; {}", pin(fingerprint));
        }
        Advice::PinCertificate { fingerprint } => return pin(fingerprint),
        Advice::ClientPinsCertificate => {
            "a client trusts --self-signed only when it is told to: unstick connect --pin FINGERPRINT"
        }
        Advice::SetServerName => "--sni NAME asks for another name",
        Advice::ShowCertificate => "--cert and --key show one",
        Advice::GiveListenerCertificate => "--self-signed makes one; --cert FILE --key FILE name one",
        Advice::NameKeyFile => "--key FILE names another file",
        Advice::NameStreamServer => "--to HOST:PORT, tls://HOST:PORT, ws://HOST:PORT, unix:PATH, ws+unix:PATH",
        Advice::NameServerAddress => {
            "--to names the address that it listens on; with --to HOST:0, {port} in --start is a free port"
        }
        Advice::StartServerForEachCase => "--start COMMAND starts it again for every case",
        Advice::OneCaseAtATime => {
            "--jobs 1 runs one case at a time; --start COMMAND starts the server again for every case"
        }
        Advice::SendSomething => "--send TEXT or --send-file PATH",
        Advice::AllowLongerRuns => "--timeout 30s waits longer",
        Advice::FramingOrLongerRuns => "-f names the framing; --timeout 30s waits longer for an answer",
        Advice::AllowMoreTimeOrFewerCases => "--time gives it longer, --depth makes it shorter",
        Advice::RecordConversation => "--record FILE makes one, on listen, connect and ask",
        Advice::NameFramingWithMessages => "-f names a framing that has, such as -f redis",
        Advice::ReplayOneConnection => "--connection N replays one connection",
        // Advice that this program does not know stays in the library's words.
        other => return other.to_string(),
    };
    text.to_owned()
}

/// Returns advice to pin a certificate. An attacker in between also shows a certificate: this fingerprint alone proves
/// nothing.
fn pin(fingerprint: &str) -> String {
    format!(
        "anybody can show a certificate: ask the server's owner for its fingerprint, and only if that is {fingerprint}, \
         connect with --pin {fingerprint}"
    )
}
