//! The verbs that only Unix systems have. Elsewhere each is an error that says why.

/// `lab`.
pub mod lab {
    use unstick::{Error, Result};

    use crate::args::Lab;
    use crate::status::Status;

    /// Plays no scene.
    #[allow(clippy::unused_async)]
    pub async fn lab(_: Lab) -> Result<Status> {
        let error = Error::usage("lab works on Linux, macOS and other Unix systems only");
        Err(error.with_hint("its scenes ask the system how many bytes have arrived at a socket and were not read"))
    }
}

/// `send` and `receive`.
pub mod transfer {
    use unstick::{Error, Result};

    use crate::args;
    use crate::status::Status;

    /// Sends nothing.
    #[allow(clippy::unused_async)]
    pub async fn send(_: args::Send) -> Result<Status> {
        Err(unavailable())
    }

    /// Receives nothing.
    #[allow(clippy::unused_async)]
    pub async fn receive(_: args::Receive) -> Result<Status> {
        Err(unavailable())
    }

    fn unavailable() -> Error {
        let error = Error::usage("send and receive work on Linux, macOS and other Unix systems only");
        error
            .with_hint("one file as it is: unstick listen PORT > FILE there, and unstick connect HOST:PORT < FILE here")
    }
}
