//! In what two runs of a conversation differ.

use std::fmt;

use unstick_wire::shake::Direction;

/// In what an outcome is not as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Difference {
    /// The run was not over when its time was.
    Late,
    /// Part of the answer came only once the client had ended its side, and without cuts it came before.
    Withheld,
    /// The client, or the program on pipes, ended otherwise.
    Exit,
    /// It printed something else.
    Output,
    /// There were more or fewer connections.
    Connections,
    /// Other bytes (messages, where a framing is known) went this way.
    Bytes(Direction),
    /// This direction ended otherwise.
    Ending(Direction),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("it hangs"),
            Self::Withheld => f.write_str("the answer comes only after the client's end"),
            Self::Exit => f.write_str("the program ends otherwise"),
            Self::Output => f.write_str("the program prints something else"),
            Self::Connections => f.write_str("the number of connections differs"),
            Self::Bytes(Direction::ClientToServer) => f.write_str("the client sends something else"),
            Self::Bytes(Direction::ServerToClient) => f.write_str("the server answers something else"),
            Self::Ending(Direction::ClientToServer) => f.write_str("the client's side ends otherwise"),
            Self::Ending(Direction::ServerToClient) => f.write_str("the server's side ends otherwise"),
        }
    }
}
