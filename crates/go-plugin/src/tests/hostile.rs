//! What a host should not do.

use std::time::Duration;

use temper_gob::Type;
use tokio::io::AsyncWriteExt as _;

use super::peer::Peer;
use crate::{
    ProtocolError,
    channel::ConnectionError,
    yamux::{Flags, Kind},
};

async fn ended(peer: Peer) -> ProtocolError {
    match peer.connection.await.unwrap() {
        Err(ConnectionError::Protocol(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_ends_the_session_with_a_sentence() {
    let mut peer = Peer::new();
    peer.socket
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let error = ended(peer).await;
    assert_eq!(
        error.to_string(),
        "yamux: expected a frame of version 0, got version 71: is the peer a go-plugin host?"
    );
}

#[tokio::test(start_paused = true)]
async fn more_than_the_window_ends_the_session() {
    let mut peer = Peer::ready().await;
    peer.send(Kind::Data, Flags::default(), 7, u32::MAX).await;
    let credit = 256 * 1024 - 4;
    assert_eq!(
        ended(peer).await,
        ProtocolError::Window {
            stream: 7,
            credit,
            got: u32::MAX
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_opened_twice_or_with_an_even_id_ends_the_session() {
    for id in [7, 8] {
        let mut peer = Peer::ready().await;
        peer.send(Kind::WindowUpdate, Flags::SYN, id, 0).await;
        assert_eq!(ended(peer).await, ProtocolError::StreamId(id));
    }
}

#[tokio::test(start_paused = true)]
async fn endless_credit_ends_the_session() {
    let mut peer = Peer::ready().await;
    peer.send(Kind::WindowUpdate, Flags::default(), 7, u32::MAX)
        .await;
    assert_eq!(ended(peer).await, ProtocolError::Credit(7));
}

#[tokio::test(start_paused = true)]
async fn a_stream_too_many_is_reset_and_the_others_go_on() {
    let mut peer = Peer::ready().await;
    for index in 0..100 {
        peer.send(Kind::WindowUpdate, Flags::SYN, 9 + 2 * index, 0)
            .await;
    }
    peer.call(7, 0, "Plugin.Echo", &Type::string(), &"hello")
        .await;
    assert_eq!(peer.answer(7).await.text, "hello");
    let resets = peer
        .frames
        .iter()
        .filter(|frame| frame.flags == Flags::RST)
        .count();
    assert_eq!(resets, 100 - (32 - 4));
}

#[tokio::test(start_paused = true)]
async fn half_open_broker_streams_hold_nothing_up_and_are_reset_after_a_while() {
    let mut peer = Peer::ready().await;
    peer.open(9).await;
    peer.data(9, &[1, 0]).await;
    peer.call(7, 0, "Plugin.Echo", &Type::string(), &"hello")
        .await;
    assert_eq!(peer.answer(7).await.text, "hello");
    while !peer
        .frames
        .iter()
        .any(|frame| frame.stream == 9 && frame.flags == Flags::RST)
    {
        peer.frame().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_pings_and_never_reads_is_left_alone_and_then_given_up() {
    let mut peer = Peer::new();
    let pings = async {
        // Far more than every buffer between us holds; ends when the connection does.
        for number in 0..1_000_000 {
            let header = crate::yamux::Header {
                kind: Kind::Ping,
                flags: Flags::SYN,
                stream: 0,
                length: number,
            };
            if peer.socket.write_all(&header.encode()).await.is_err() {
                return number;
            }
        }
        panic!("a million pings were taken in");
    };
    let taken = pings.await;
    assert!(taken < 40_000, "{taken} pings were taken in");
    let ended = peer.connection.await.unwrap();
    assert!(matches!(ended, Err(ConnectionError::Stalled)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endless_message_closes_its_stream_only() {
    let mut peer = Peer::ready().await;
    // A message of 8 GiB is announced.
    peer.data(7, &[0xfb, 2, 0, 0, 0, 0]).await;
    while !peer
        .frames
        .iter()
        .any(|frame| frame.stream == 7 && frame.flags == Flags::RST)
    {
        peer.frame().await;
    }
    peer.call(1, 1, "Control.Ping", &Type::bool(), &true).await;
    assert_eq!(peer.answer(1).await.seq, 1);
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_with_their_number() {
    let mut peer = Peer::new();
    peer.send(Kind::Ping, Flags::SYN, 0, 77).await;
    tokio::time::timeout(Duration::from_secs(1), peer.frame())
        .await
        .unwrap();
    let pong = peer.frames[0];
    assert_eq!(
        (pong.kind, pong.flags, pong.length),
        (Kind::Ping, Flags::ACK, 77)
    );
}
