//! A sender as a `Sink`, used by code that works with any sink.

use futures_util::{SinkExt, StreamExt};
use unstick::wire::Framing;
use unstick::{Link, Listener, limits};

async fn pair(name: &str) -> (Link, Link) {
    let mut listener = Listener::bind(&*format!("mem:{name}"), Framing::length(4).big_endian()).await.unwrap();
    let near = Link::connect(&*format!("mem:{name}"), Framing::length(4).big_endian()).await.unwrap();
    (near, listener.accept().await.unwrap())
}

#[tokio::test]
async fn each_item_is_a_message_and_closing_ends_the_sending_side() {
    let (near, far) = pair("sink-items").await;
    let mut sink = near.split().0.into_sink();
    sink.send("one").await.unwrap();
    sink.feed("two").await.unwrap();
    SinkExt::<&str>::close(&mut sink).await.unwrap();
    let received: Vec<_> = far.split().1.map(|message| message.unwrap()).collect().await;
    assert_eq!(received, ["one", "two"]);
    let error = sink.send("three").await.unwrap_err();
    assert!(error.is_closed(), "{error}");
}

#[tokio::test]
async fn a_full_queue_makes_a_sink_wait() {
    let (near, far) = pair("sink-full").await;
    let mut sink = near.split().0.into_sink();
    let (message, many) = (vec![7; limits::MAX_QUEUE / 4], 40);
    let mut sends = Box::pin(async {
        for _ in 0..many {
            sink.feed(&message[..]).await.unwrap();
        }
        SinkExt::<&[u8]>::flush(&mut sink).await.unwrap();
    });
    // Nobody reads: the queue and the connection hold less than all of it.
    let full = tokio::select! {
        biased;
        () = &mut sends => false,
        () = std::future::ready(()) => true,
    };
    let (_, mut reader) = far.split();
    let reads = async {
        for _ in 0..many {
            assert_eq!(reader.recv().await.unwrap().unwrap().len(), message.len());
        }
    };
    tokio::join!(sends, reads);
    assert!(full, "it waited");
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_does_not_end_a_sink() {
    let mut listener = Listener::bind("mem:sink-refused", Framing::lines()).await.unwrap();
    let near = Link::connect("mem:sink-refused", Framing::lines()).await.unwrap();
    let mut far = listener.accept().await.unwrap();
    let mut sink = near.split().0.into_sink();
    assert!(sink.feed("a\nb").await.unwrap_err().is_message_rejected());
    sink.send("c").await.unwrap();
    assert_eq!(far.recv().await.unwrap().unwrap(), "c");
}
