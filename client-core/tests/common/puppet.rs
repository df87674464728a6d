//! A homeserver of a test's making.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State as Shared, WebSocketUpgrade, ws::WebSocket},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use client_core::{
    Client, Error, Options, Registration, Unlock,
    wire::{ClaimedBundle, KeyUpload},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
};
use uuid::Uuid;

use super::KEY;

pub const ALICE: &str = "00000000-0000-4000-8000-000000000001";
pub const INCARNATION: &str = "00000000-0000-4000-8000-000000000002";

/// The address at which it is served.
pub async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

/// What registering there comes to.
pub async fn register(options: &Options, server: &str) -> Result<Client, Error> {
    let registration = Registration { name: "alice".into(), password: "correct horse".into(), invite: None };
    Client::register(options, server, &registration).await
}

pub fn options(home: &std::path::Path) -> Options {
    Options::new(home, Unlock::Key(KEY))
}

/// It does as the protocol says, until the socket is open.
pub struct Puppet {
    pub bob: ClaimedBundle,
    token: String,
    pub refreshed: Mutex<u32>,
    pub published: Mutex<Option<KeyUpload>>,
    /// The account's id.
    pub id: std::sync::Mutex<Uuid>,
    /// What is done to each answer.
    pub spoiling: std::sync::Mutex<Option<Spoiling>>,
    socket: mpsc::Sender<WebSocket>,
}

/// Puts something else in the place of one member of an answer.
#[derive(Debug, Clone)]
pub struct Spoiling {
    /// Which of its values, counted in depth first order, wrapping around.
    pub at: usize,
    /// What stands there instead; `None` takes it out.
    pub by: Option<Value>,
}

impl Puppet {
    pub async fn start(bob: ClaimedBundle, token: &str) -> (String, Arc<Self>, mpsc::Receiver<WebSocket>) {
        let (socket, sockets) = mpsc::channel(1);
        let puppet = Arc::new(Self {
            bob,
            token: token.to_owned(),
            refreshed: Mutex::new(0),
            published: Mutex::new(None),
            id: std::sync::Mutex::new(ALICE.parse().unwrap()),
            spoiling: std::sync::Mutex::new(None),
            socket,
        });
        let router = Router::new()
            .route("/", get(upgrade))
            .route("/api/v1/users", post(logged_in))
            .route("/api/v1/tokens", axum::routing::put(refreshed))
            .route("/api/v1/users/{name}", get(account))
            .route(
                "/api/v1/users/{name}/keys/count",
                get(async || Json(json!({"data": {"preKeys": 1, "pqPreKeys": 0}}))),
            )
            .route("/api/v1/users/{name}/keys", post(published).get(claimed))
            .layer(middleware::from_fn_with_state(puppet.clone(), spoil_answer))
            .with_state(puppet.clone());
        (serve(router).await, puppet, sockets)
    }
}

async fn account(Shared(puppet): Shared<Arc<Puppet>>) -> Json<Value> {
    let id = *puppet.id.lock().unwrap();
    Json(json!({"data": {"id": id, "name": "alice", "address": "alice@one.example",
        "createdAt": "2026-01-01T00:00:00.000Z"}}))
}

async fn upgrade(Shared(puppet): Shared<Arc<Puppet>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |socket| puppet.socket.send(socket).await.unwrap())
}

async fn logged_in(Shared(puppet): Shared<Arc<Puppet>>) -> impl IntoResponse {
    let id = *puppet.id.lock().unwrap();
    let data = json!({"id": id, "name": "alice", "deviceId": 1, "accessToken": puppet.token});
    let cookie = "refreshToken=refresh-token-one; HttpOnly; SameSite=Strict; Path=/api/v1/tokens";
    (StatusCode::CREATED, [(header::SET_COOKIE, cookie)], Json(json!({"data": data})))
}

async fn refreshed(Shared(puppet): Shared<Arc<Puppet>>, headers: HeaderMap) -> Response {
    let mut count = puppet.refreshed.lock().await;
    let expected = if *count == 0 { "refreshToken=refresh-token-one" } else { "refreshToken=two" };
    assert_eq!(headers[header::COOKIE], expected);
    *count += 1;
    ([(header::SET_COOKIE, "refreshToken=two; HttpOnly")], Json(json!({"data": {"accessToken": "opaque"}})))
        .into_response()
}

async fn published(Shared(puppet): Shared<Arc<Puppet>>, Json(upload): Json<KeyUpload>) -> Json<Value> {
    puppet.published.lock().await.get_or_insert(upload);
    Json(json!({"data": {}}))
}

async fn claimed(Shared(puppet): Shared<Arc<Puppet>>) -> Json<Value> {
    Json(json!({"data": puppet.bob}))
}

async fn spoil_answer(Shared(puppet): Shared<Arc<Puppet>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let spoiling = puppet.spoiling.lock().unwrap().clone();
    let Some(spoiling) = spoiling else { return response };
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let Ok(mut json) = serde_json::from_slice::<Value>(&bytes) else { return (parts, bytes).into_response() };
    spoil(&mut json, &spoiling);
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts, json.to_string()).into_response()
}

pub fn spoil(json: &mut Value, Spoiling { at, by }: &Spoiling) {
    let count = values(json);
    replace(json, &mut (at % count), by.as_ref());
}

fn values(json: &Value) -> usize {
    1 + match json {
        Value::Array(items) => items.iter().map(values).sum::<usize>(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    }
}

/// Whether it has been done.
fn replace(json: &mut Value, at: &mut usize, by: Option<&Value>) -> bool {
    if *at == 0 {
        *json = by.cloned().unwrap_or(Value::Null);
        return true;
    }
    *at -= 1;
    match json {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, at, by)),
        Value::Object(members) => {
            let hit = members.iter_mut().find_map(|(name, value)| {
                let here = *at == 0;
                replace(value, at, by).then(|| (name.clone(), here))
            });
            if let (Some((name, true)), None) = (&hit, by) {
                members.remove(name);
            }
            hit.is_some()
        }
        _ => false,
    }
}
