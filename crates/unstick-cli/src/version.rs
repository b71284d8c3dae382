//! What `-V` prints: the version, the commit that the program was built from, and the features that it was built with.

use std::sync::LazyLock;

/// What of the library can be left out, and is there. A test holds this against the manifests.
pub const FEATURES: &[&str] = &["tls", "ws", "exec", "proxy", "self-signed", "serial", "transfer"];

/// Version, commit and features, behind the name of the program.
pub static TEXT: LazyLock<String> = LazyLock::new(|| {
    let commit = match option_env!("UNSTICK_COMMIT_BUILT") {
        Some(commit) => format!("commit {commit}"),
        None if cfg!(debug_assertions) => "debug build".to_owned(),
        None => "commit unknown".to_owned(),
    };
    format!("{} ({commit})\nfeatures: {}", env!("CARGO_PKG_VERSION"), FEATURES.join(" "))
});
