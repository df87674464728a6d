//! Someone who is logged in, and what the server answers.

use reqwest::{
    Method,
    header::{HeaderMap, SET_COOKIE},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Home;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Someone who is logged in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    client: reqwest::Client,
    url: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The JSON, or null where it is none.
    pub(crate) body: Value,
}

impl Person {
    /// Who was registered or logged in by this answer.
    pub(crate) fn logged_in(home: &Home, reply: &Reply) -> Self {
        let data = &reply.body["data"];
        Self {
            name: data["name"].as_str().unwrap().to_owned(),
            id: data["id"].as_str().unwrap().parse().unwrap(),
            access_token: data["accessToken"].as_str().unwrap().to_owned(),
            refresh_token: reply.refresh_token().unwrap(),
            client: home.client.clone(),
            url: home.url.clone(),
        }
    }

    /// The same account, logged in once more with these scopes.
    pub(crate) async fn with_scope(&self, scope: &[&str]) -> Self {
        let body = json!({ "name": self.name, "password": PASSWORD, "scope": scope }).to_string().into_bytes();
        let reply = Reply::of(&self.client, &self.url, "POST", "/api/v1/tokens", &[], body).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        let mut other = self.clone();
        reply.body["data"]["accessToken"].as_str().unwrap().clone_into(&mut other.access_token);
        other.refresh_token = reply.refresh_token().unwrap();
        other
    }

    /// Talks to that server from now on.
    pub(crate) fn move_to(&mut self, home: &Home) {
        self.url.clone_from(&home.url);
    }

    /// The session of the access token.
    pub(crate) fn session(&self) -> Uuid {
        claims(&self.access_token)["sid"].as_str().unwrap().parse().unwrap()
    }

    /// A path below the own account's.
    pub(crate) fn path(&self, below: &str) -> String {
        format!("/api/v1/users/{}{below}", self.id)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send_bytes("GET", path, Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send_bytes("POST", path, body.to_string().into_bytes()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send_bytes("PATCH", path, body.to_string().into_bytes()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.send_bytes("DELETE", path, Vec::new()).await
    }

    pub(crate) async fn delete_with(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send_bytes("DELETE", path, body.to_string().into_bytes()).await
    }

    /// Sends any bytes as JSON.
    pub(crate) async fn send_bytes(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.access_token);
        let headers = [("authorization", bearer.as_str())];
        Reply::of(&self.client, &self.url, method, path, &headers, body).await.into_pair()
    }

    /// `PUT /tokens` with a refresh token.
    pub(crate) async fn refresh(&self, token: &str) -> Reply {
        self.with_cookie("PUT", "/api/v1/tokens", token).await
    }

    /// Asks with a refresh token.
    pub(crate) async fn with_cookie(&self, method: &str, path: &str, token: &str) -> Reply {
        let cookie = format!("other=1; refreshToken={token}");
        Reply::of(&self.client, &self.url, method, path, &[("cookie", cookie.as_str())], Vec::new()).await
    }
}

impl Reply {
    pub(crate) async fn of(
        client: &reqwest::Client,
        url: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Self {
        let mut request = client.request(method.parse::<Method>().unwrap(), format!("{url}{path}"));
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
        Self { status, headers, body }
    }

    pub(crate) fn into_pair(self) -> (u16, Value) {
        (self.status, self.body)
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The whole `set-cookie` header.
    pub(crate) fn cookie(&self) -> Option<&str> {
        self.headers.get(SET_COOKIE).map(|cookie| cookie.to_str().unwrap())
    }

    pub(crate) fn refresh_token(&self) -> Option<String> {
        let (token, _) = self.cookie()?.strip_prefix("refreshToken=")?.split_once(';')?;
        Some(token.to_owned())
    }

    pub(crate) fn access_token(&self) -> &str {
        self.body["data"]["accessToken"].as_str().unwrap()
    }
}

/// What a JWT says, unchecked.
pub(crate) fn claims(token: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
