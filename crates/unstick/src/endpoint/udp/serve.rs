//! The task of a UDP socket: what arrives goes to the session that it belongs to.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::kernel_drops::{self, NextLook};
use super::packets::Intake;
use super::port::Port;
use super::sessions::Table;
use crate::activity::sleep_until;
use crate::error::Error;
use crate::limits;

/// The task of a socket: takes what arrives and gives it to the session that it belongs to.
pub(super) async fn serve(port: Arc<Port>) {
    let mut table = Table::new(Arc::clone(&port));
    let mut intake = Intake::new(port.address.is_ipv4(), port.room.options.udp.largest);
    let mut look = NextLook::default();
    let mut idle = pin!(tokio::time::sleep_until(table.next_check()));
    loop {
        tokio::select! {
            ready = port.socket.readable() => match ready.and_then(|()| table.take_batch(&mut intake)) {
                Ok(false) => look.after_this(),
                // Readers get their turn before the next batch, so that a flood does not fill their queues.
                Ok(true) => {
                    look.after_this();
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    // Where there is no room, others wait already, and the error is seen again.
                    let _ = port.room.arrivals.try_send(Err(Error::io("receiving datagrams", error)));
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            },
            () = port.changed.notified() => {}
            () = &mut idle => table.end_idle(),
            () = sleep_until(look.due()) => {}
        }
        if look.is_due() {
            intake.dropped_by_now(kernel_drops::count(&port.socket, port.address.is_ipv4()));
        }
        port.room.notices.lost(intake.take_lost());
        table.forget_gone();
        if table.sessions.is_empty() && !port.room.open.load(Ordering::Relaxed) {
            return;
        }
        if idle.deadline() != table.next_check() {
            idle.as_mut().reset(table.next_check());
        }
    }
}
