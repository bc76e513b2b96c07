//! What a well-behaved host does.

use temper_gob::Type;

use super::peer::{Answer, Peer};
use crate::yamux::{Flags, Kind};

fn text(seq: u64, text: &str) -> Answer {
    Answer {
        seq,
        error: String::new(),
        text: text.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_under_its_number() {
    let mut peer = Peer::ready().await;
    for seq in 0..3 {
        peer.call(7, seq, "Plugin.Echo", &Type::string(), &"hello")
            .await;
        assert_eq!(peer.answer(7).await, text(seq, "hello"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_keeps_no_other_call_and_no_ping_waiting() {
    let mut peer = Peer::ready().await;
    peer.call(7, 0, "Plugin.Wait", &Type::bool(), &true).await;
    peer.call(7, 1, "Plugin.Echo", &Type::string(), &"quick")
        .await;
    assert_eq!(peer.answer(7).await, text(1, "quick"));
    peer.call(1, 1, "Control.Ping", &Type::bool(), &true).await;
    assert_eq!(peer.answer(1).await, text(1, ""));
    peer.service.permission.notify_one();
    assert_eq!(peer.answer(7).await, text(0, "waited"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_method_a_wrong_body_and_a_panic_are_replies_and_the_stream_goes_on() {
    let mut peer = Peer::ready().await;
    peer.call(7, 0, "Plugin.Ecco", &Type::string(), &"hello")
        .await;
    assert_eq!(
        peer.answer(7).await.error,
        "rpc: can't find method Plugin.Ecco"
    );
    peer.call(7, 1, "Plugin.Echo", &Type::bool(), &true).await;
    let error = peer.answer(7).await.error;
    assert!(error.starts_with("Plugin.Echo: "), "{error}");
    peer.call(7, 2, "Plugin.Panic", &Type::bool(), &true).await;
    let error = peer.answer(7).await.error;
    assert!(error.ends_with("the call panicked: on purpose"), "{error}");
    peer.call(7, 3, "Plugin.Echo", &Type::string(), &"still here")
        .await;
    assert_eq!(peer.answer(7).await, text(3, "still here"));
}

#[tokio::test(start_paused = true)]
async fn a_megabyte_goes_both_ways_through_windows_of_a_quarter() {
    let mut peer = Peer::ready().await;
    let long = "x".repeat(1 << 20);
    let (mut reader, mut writer) = (0, 0);
    // Sent in portions, so that the pipe between us never holds both directions up.
    peer.call(7, 0, "Plugin.Long", &Type::uint(), &(1_u64 << 20))
        .await;
    reader += peer.answer(7).await.text.len();
    for seq in 1..=10 {
        let portion = long.get(..100 << 10).unwrap();
        peer.call(7, seq, "Plugin.Echo", &Type::string(), &portion)
            .await;
        writer += peer.answer(7).await.text.len();
    }
    assert_eq!((reader, writer), (1 << 20, 1000 << 10));
    let credit: u32 = peer
        .frames
        .iter()
        .filter(|frame| frame.stream == 7 && frame.kind == Kind::WindowUpdate)
        .map(|frame| frame.length)
        .sum();
    assert!(
        credit >= (1000 - 128) << 10,
        "{credit} bytes of credit were given back"
    );
}

#[tokio::test(start_paused = true)]
async fn every_stream_is_acknowledged_exactly_once() {
    let mut peer = Peer::ready().await;
    peer.call(7, 0, "Plugin.Echo", &Type::string(), &"hello")
        .await;
    peer.answer(7).await;
    for stream in [1, 3, 5, 7] {
        let acks = peer.frames.iter().filter(|frame| {
            frame.stream == stream && frame.flags.has(Flags::ACK) && frame.kind != Kind::Ping
        });
        assert_eq!(acks.count(), 1, "stream {stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn quit_is_answered_after_the_calls_under_way() {
    let mut peer = Peer::ready().await;
    peer.call(7, 0, "Plugin.Wait", &Type::bool(), &true).await;
    peer.call(7, 1, "Plugin.Echo", &Type::string(), &"begun")
        .await;
    peer.answer(7).await;
    peer.call(1, 1, "Control.Quit", &Type::bool(), &true).await;
    peer.call(1, 2, "Control.Ping", &Type::bool(), &true).await;
    assert_eq!(peer.answer(1).await.seq, 2, "the ping, while Quit waits");
    peer.call(7, 2, "Plugin.Echo", &Type::string(), &"too late")
        .await;
    assert_eq!(peer.answer(7).await.error, "the plugin is about to end");
    peer.service.permission.notify_one();
    assert_eq!(peer.answer(7).await, text(0, "waited"));
    assert_eq!(peer.answer(1).await, text(1, ""));
    peer.quit.notified().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_plugin_is_not_dispensed_but_answered() {
    let mut peer = Peer::new();
    peer.open(1).await;
    peer.call(1, 0, "Dispenser.Dispense", &Type::string(), &"other")
        .await;
    assert_eq!(
        peer.answer(1).await.error,
        "unknown plugin type: other; this one is sample"
    );
}

#[tokio::test(start_paused = true)]
async fn the_connection_ends_when_the_host_is_gone() {
    let peer = Peer::ready().await;
    drop(peer.socket);
    peer.connection.await.unwrap().unwrap();
}
