//! Files between two ends of the library, where the test controls the clock.

use tokio::time::Instant;
use unstick::service::transfer::{Inbox, Overwrite, Pacing, plain};
use unstick::{limits, link};

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_left() {
    let address = "mem:a-silent-server-of-files".parse().unwrap();
    let options = unstick::Options::new();
    let mut listener = link::listen(&address, Some(&plain::sender_framings()), &options).await.unwrap();
    let client = link::connect(&address, Some(&plain::receiver_framings()), &options).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::open(folder.path(), Overwrite::Never).unwrap();
    let begun = Instant::now();
    let error = plain::receive(client, Some("a"), &inbox, Pacing::default(), &mut |_| {}).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let waited = begun.elapsed();
    assert!((limits::TRANSFER_STALL..2 * limits::TRANSFER_STALL).contains(&waited), "{waited:?}");
    assert_eq!(server.recv().await.unwrap().as_deref(), Some(&br#"{"get":"a"}"#[..]));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
