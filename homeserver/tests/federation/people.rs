//! What the people of two homeservers do.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::common::Socket;

pub(crate) const ALICE: &str = "alice@one.example";
pub(crate) const BOB: &str = "bob@two.example";

/// Says that the device has a message.
pub(crate) async fn acknowledge(socket: &mut Socket, message: &Value) {
    settle(socket, message, &json!({"state": "received"})).await;
}

/// Settles a message.
pub(crate) async fn settle(socket: &mut Socket, message: &Value, how: &Value) {
    let mut status = json!({"messageId": message["id"], "receiver": message["sender"]});
    status.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
    socket.send(&status).await;
}

/// The status of that message and state; earlier ones of it are left out.
pub(crate) async fn status_of(socket: &mut Socket, id: Uuid, state: &str) -> Value {
    loop {
        let status = socket.next_with("state").await;
        let ids = status["messageIds"].as_array().cloned().unwrap_or_default();
        let is_of = status["messageId"] == json!(id) || ids.contains(&json!(id));
        if is_of && status["state"] == state {
            return status;
        }
        assert!(!is_of || status["state"] == "sent", "{status}, and not {state}");
    }
}

/// Waits until every one of these messages has been told to be in that state.
pub(crate) async fn all_told(socket: &mut Socket, mut ids: Vec<Uuid>, state: &str) {
    while !ids.is_empty() {
        let status = socket.next_with("state").await;
        let told = status["messageIds"].as_array().cloned().unwrap_or_default();
        if status["state"] == state {
            ids.retain(|id| status["messageId"] != json!(id) && !told.contains(&json!(id)));
        }
    }
}
