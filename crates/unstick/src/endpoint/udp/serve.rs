//! The task of a UDP socket: gives each datagram that arrives to its session.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::kernel_drops::{self, NextLook};
use tokio::sync::mpsc;

use super::super::transport::DatagramTransport;
use super::packets::Intake;
use super::port::Port;
use super::sessions::Table;
use crate::activity::sleep_until;
use crate::error::{Error, Result};
use crate::limits;

/// Reports to the listener that the task of a socket panicked. The other tasks keep the listener open, so without this
/// report it would wait for peers that can no longer reach it.
struct Alarm(mpsc::Sender<Result<DatagramTransport>>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let arrivals = self.0.clone();
            // The error queues behind the sessions that wait to be accepted.
            tokio::spawn(async move { arrivals.send(Err(Error::panicked("the task of a socket"))).await });
        }
    }
}

/// The task of a socket: takes what arrives and gives it to its session.
pub(super) async fn serve(port: Arc<Port>) {
    let _alarm = Alarm(port.room.arrivals.clone());
    let mut table = Table::new(Arc::clone(&port));
    let mut intake = Intake::new(port.address.is_ipv4(), port.room.options.udp.largest);
    let mut look = NextLook::default();
    let mut idle = pin!(tokio::time::sleep_until(table.next_check()));
    loop {
        tokio::select! {
            ready = port.socket.readable() => match ready.and_then(|()| table.take_batch(&mut intake)) {
                Ok(false) => look.after_this(),
                // Readers run before the next batch, so that a flood does not fill their queues.
                Ok(true) => {
                    look.after_this();
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    // If there is no room, others wait already, and the error will show again.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_hears_of_a_panic_after_the_sessions_that_wait() {
        let (arrivals, mut incoming) = mpsc::channel(1);
        arrivals.try_send(Err(Error::other("a session that waits"))).unwrap();
        let alarm = Alarm(arrivals.clone());
        let task = tokio::spawn(async move {
            let _alarm = alarm;
            panic!("on purpose");
        });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(incoming.recv().await.unwrap().err().unwrap().to_string(), "a session that waits");
        let error = incoming.recv().await.unwrap().err().unwrap();
        assert!(error.to_string().contains("the task of a socket panicked"), "{error}");
    }
}
