//! `lab --html`: scenes as a timeline. What was sent are the messages, and what each read returned are the segments.

use std::time::Duration;

use unstick::wire::{Frame, Role};

use crate::scenes::{Act, Scene, Transport, What};
use crate::timeline::{At, Connection, Timeline};

/// Adds the acts of a scene, each as a connection.
pub(super) fn add(page: &mut Timeline, scene: Scene, acts: &[Act], opened: &mut u64) {
    for act in acts {
        *opened += 1;
        page.open(Connection {
            number: *opened,
            client: format!("{}: {}", scene.name(), act.name),
            server: "receiver".to_owned(),
            protocol: (if act.transport == Transport::Udp { "udp" } else { "tcp" }).to_owned(),
            framing: None,
        });
        let at = |offset: u64, time: Duration| At {
            connection: *opened,
            from: Role::Client,
            time: Some(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            offset,
        };
        let mut read = 0;
        for event in &act.events {
            match &event.what {
                What::Sent { offset, bytes } => {
                    page.message(at(*offset, event.at), &Frame::bare(bytes));
                }
                What::Read { offset, bytes, cut, .. } => {
                    page.segment(at(*offset, event.at), bytes.len());
                    read = offset + bytes.len() as u64;
                    if *cut > 0 {
                        page.mark(
                            at(read, event.at),
                            &format!("{cut} bytes of this datagram did not fit and are lost"),
                        );
                    }
                }
                What::Stuck { why } | What::Fooled { why } => page.mark(at(read, event.at), why),
                _ => {}
            }
        }
    }
}
