//! The ways in which two runs of a conversation can differ.

use std::fmt;

use unstick_wire::shake::Direction;

/// A way in which an outcome is not as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Difference {
    /// The run did not end in time.
    Late,
    /// Part of the answer came only after the client had ended its side; without cuts it came before.
    Withheld,
    /// The client, or the program on pipes, ended in another way.
    Exit,
    /// The program printed something else.
    Output,
    /// There were more or fewer connections.
    Connections,
    /// Other bytes (or messages, if a framing is known) went in this direction.
    Bytes(Direction),
    /// This direction ended in another way.
    Ending(Direction),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("it hangs"),
            Self::Withheld => f.write_str("the answer comes only after the client's end"),
            Self::Exit => f.write_str("the program ends differently"),
            Self::Output => f.write_str("the program prints something else"),
            Self::Connections => f.write_str("the number of connections differs"),
            Self::Bytes(Direction::ClientToServer) => f.write_str("the client sends something else"),
            Self::Bytes(Direction::ServerToClient) => f.write_str("the server answers something else"),
            Self::Ending(Direction::ClientToServer) => f.write_str("the client's side ends differently"),
            Self::Ending(Direction::ServerToClient) => f.write_str("the server's side ends differently"),
        }
    }
}
