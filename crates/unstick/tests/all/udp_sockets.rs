//! UDP: sessions, answers from the address that was asked, and datagrams of every size.

use unstick::{Link, Listener, Options, connect, listen};

async fn listener(address: &str, options: &Options) -> Listener {
    listen(&address.parse().unwrap(), None, options).await.unwrap()
}

async fn client(address: &str) -> Link {
    connect(&address.parse().unwrap(), None, &Options::default()).await.unwrap()
}

#[tokio::test]
async fn every_peer_is_a_session_of_its_own() {
    let mut listener = listener("udp://127.0.0.1:0", &Options::default()).await;
    let address = listener.addresses()[0].clone();
    let (mut one, mut two) = (client(&address).await, client(&address).await);
    one.send(b"from one").await.unwrap();
    let mut to_one = listener.accept().await.unwrap();
    two.send(b"from two").await.unwrap();
    let mut to_two = listener.accept().await.unwrap();
    assert_eq!(to_one.names().remote, one.names().local);
    assert_eq!(to_one.recv().await.unwrap().as_deref(), Some(&b"from one"[..]));
    assert_eq!(to_two.recv().await.unwrap().as_deref(), Some(&b"from two"[..]));
    to_two.send(b"to two").await.unwrap();
    to_one.send(b"to one").await.unwrap();
    assert_eq!(one.recv().await.unwrap().as_deref(), Some(&b"to one"[..]));
    assert_eq!(two.recv().await.unwrap().as_deref(), Some(&b"to two"[..]));
}

#[tokio::test]
async fn an_answer_comes_from_the_address_that_was_asked() {
    let mut listener = listener("udp://0.0.0.0:0", &Options::default()).await;
    let port = listener.addresses()[0].rsplit_once(':').unwrap().1.to_owned();
    let mut client = client(&format!("udp://127.0.0.2:{port}")).await;
    client.send(b"who are you?").await.unwrap();
    let mut session = listener.accept().await.unwrap();
    assert_eq!(session.names().local, format!("127.0.0.2:{port}"));
    assert_eq!(session.recv().await.unwrap().as_deref(), Some(&b"who are you?"[..]));
    // A connected socket hears nobody but the address that it asked.
    session.send(b"the one you asked").await.unwrap();
    assert_eq!(client.recv().await.unwrap().as_deref(), Some(&b"the one you asked"[..]));
}
