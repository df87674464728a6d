//! A relay that does one thing wrong is found out, whatever it is.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::HeaderMap,
    routing::get,
};
use tokio::{
    sync::broadcast::{Receiver, Sender, channel},
    task::LocalSet,
};

use super::{Pair, Plan, Side, Traffic, send, while_receiving};
use crate::{
    check::{Faults, Told},
    frames::Lot,
};

const MESSAGES: u32 = 200;

/// What is passed on in place of the message of that number, `kept` being there for later.
type Fault = fn(number: u32, frame: String, kept: &mut Vec<String>) -> Vec<String>;

#[derive(Clone)]
struct Relay {
    fault: Fault,
    to_receiver: Sender<String>,
    to_sender: Sender<String>,
}

async fn serve(fault: Fault) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let relay = Relay { fault, to_receiver: channel(1024).0, to_sender: channel(1024).0 };
    let routes = Router::new().route("/", get(connect)).with_state(relay);
    tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
    address
}

async fn connect(
    State(relay): State<Relay>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> axum::response::Response {
    let is_sender = headers["authorization"] == "Bearer sender";
    upgrade.on_upgrade(async move |socket| {
        let frames = if is_sender { relay.to_sender.subscribe() } else { relay.to_receiver.subscribe() };
        pass(socket, frames, &relay, is_sender).await;
    })
}

async fn pass(mut socket: WebSocket, mut frames: Receiver<String>, relay: &Relay, is_sender: bool) {
    let hello = r#"{"hello":{"incarnation":"","device":1,"pending":0}}"#;
    socket.send(Message::text(hello)).await.unwrap();
    let (mut number, mut kept) = (0, Vec::new());
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(frame))) if is_sender => {
                    for frame in (relay.fault)(number, frame.to_string(), &mut kept) {
                        let _ = relay.to_receiver.send(frame);
                    }
                    number += 1;
                }
                Some(Ok(Message::Text(frame))) => drop(relay.to_sender.send(frame.to_string())),
                _ => return,
            },
            Ok(frame) = frames.recv() => socket.send(Message::text(frame)).await.unwrap(),
        }
    }
}

/// Sends through a relay with that fault: whether it failed, and what was found.
async fn found(fault: Fault) -> (bool, Faults) {
    let server = serve(fault).await;
    let side = |name: &str| Side { server, token: name.into(), name: name.into(), address: String::new() };
    let pair = Pair { sender: side("sender"), receiver: side("receiver") };
    let traffic = Traffic::new(vec![pair]);
    let receivers = traffic.receivers(false, 0).await.unwrap();
    let senders = traffic.senders().await.unwrap();
    let plan = Plan { window: 32, pace: None, owed: Told::Received, count: Some(MESSAGES) };
    let work = while_receiving(receivers, send(senders, plan));
    let over = traffic.within(Duration::from_secs(2), Told::Received, work).await;
    (over.is_err() || traffic.check(Told::Received).is_err(), traffic.faults(Told::Received))
}

async fn assert_found(fault: Fault, wanted: Faults) {
    let (failed, faults) = LocalSet::new().run_until(found(fault)).await;
    assert_eq!((failed, faults), (!wanted.is_none(), wanted));
}

#[tokio::test]
async fn a_faultless_relay_passes() {
    assert_found(|_, frame, _| vec![frame], Faults::default()).await;
}

#[tokio::test]
async fn a_lost_message_fails_the_run() {
    let fault: Fault = |number, frame, _| if number == MESSAGES - 10 { vec![] } else { vec![frame] };
    assert_found(fault, Faults { lost: 1, untold: 1, ..Faults::default() }).await;
}

#[tokio::test]
async fn a_doubled_message_fails_the_run() {
    let fault: Fault = |number, frame, _| vec![frame; if number == 10 { 2 } else { 1 }];
    assert_found(fault, Faults { doubled: 1, ..Faults::default() }).await;
}

#[tokio::test]
async fn disorder_fails_the_run() {
    let fault: Fault = |number, frame, kept| {
        if number == 10 {
            kept.push(frame);
            return vec![];
        }
        std::iter::once(frame).chain(kept.drain(..)).collect()
    };
    assert_found(fault, Faults { out_of_order: 1, ..Faults::default() }).await;
}

#[tokio::test]
async fn a_message_of_another_run_fails_the_run() {
    let fault: Fault = |number, frame, _| {
        let (lot, mut stale) = (Lot::new(), String::new());
        lot.message(&mut stale, lot.id(0, number), "receiver", 0);
        if number == 10 { vec![stale, frame] } else { vec![frame] }
    };
    // Once when it arrives, once when its acknowledgement does.
    assert_found(fault, Faults { stale: 2, ..Faults::default() }).await;
}

#[tokio::test]
async fn an_altered_message_fails_the_run() {
    let fault: Fault = |number, frame, _| {
        let altered = frame.replace("==\"}", "A=\"}");
        vec![if number == 10 { altered } else { frame }]
    };
    assert_found(fault, Faults { altered: 1, ..Faults::default() }).await;
}
