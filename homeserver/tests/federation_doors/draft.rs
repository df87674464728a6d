//! Requests signed by RFC 9421 and the protocol alone, without the code under test; and their answers, verified likewise.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::peer::key;
use crate::common::Home;

pub(super) const COMPONENTS: [&str; 6] =
    ["@method", "@target-uri", "content-digest", "content-type", "missive-origin", "missive-destination"];

/// A request before it is signed.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    pub(super) origin: String,
    pub(super) destination: String,
    pub(super) content_type: &'static str,
    pub(super) created: i64,
    pub(super) expires: i64,
    pub(super) nonce: String,
    pub(super) key_id: &'static str,
    pub(super) seed: u8,
    pub(super) components: Vec<&'static str>,
    pub(super) parameters: &'static str,
}

/// A request as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    /// Whether the home signed it, for this request. One with a wrong signature fails the test.
    pub(super) signed: bool,
}

impl Draft {
    /// A ping of `two.example`, signed with its key `k1` of the seed 2.
    pub(super) fn ping(home: &Home) -> Self {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let now = home.now().millis() / 1_000;
        Self {
            method: "POST",
            path: "/federation/v1/ping".to_owned(),
            body: b"{}".to_vec(),
            origin: "two.example".to_owned(),
            destination: home.server_name.clone(),
            content_type: "application/json",
            created: now,
            expires: now + 300,
            nonce: format!("nonce-{}", NONCE.fetch_add(1, Ordering::SeqCst)),
            key_id: "k1",
            seed: 2,
            components: COMPONENTS.to_vec(),
            parameters: ";alg=\"ed25519\";tag=\"missive-federation\"",
        }
    }

    pub(super) fn to(home: &Home, method: &'static str, path: &str) -> Self {
        Self { method, path: path.to_owned(), ..Self::ping(home) }
    }

    pub(super) fn sign(&self) -> Signed {
        let digest = digest(&self.body);
        let value = |component: &str| match component {
            "@method" => self.method.to_owned(),
            "@target-uri" => format!("https://{}{}", self.destination, self.path),
            "content-digest" => digest.clone(),
            "content-type" => self.content_type.to_owned(),
            "missive-origin" => self.origin.clone(),
            "missive-destination" => self.destination.clone(),
            other => panic!("{other}"),
        };
        let names = self.components.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" ");
        let Self { created, expires, nonce, key_id, parameters, .. } = self;
        let input =
            format!("({names});created={created};expires={expires};nonce=\"{nonce}\";keyid=\"{key_id}\"{parameters}");
        let mut base = String::new();
        for name in &self.components {
            writeln!(base, "\"{name}\": {}", value(name)).unwrap();
        }
        write!(base, "\"@signature-params\": {input}").unwrap();
        let signature = STANDARD.encode(key(self.seed).sign(base.as_bytes()).to_bytes());
        let mut headers = HeaderMap::new();
        for name in ["content-digest", "content-type", "missive-origin", "missive-destination"] {
            set(&mut headers, name, &value(name));
        }
        set(&mut headers, "signature-input", &format!("sig={input}"));
        set(&mut headers, "signature", &format!("sig=:{signature}:"));
        Signed { method: self.method, path: self.path.clone(), headers, body: self.body.clone() }
    }

    pub(super) async fn send(&self, home: &Home) -> Answer {
        self.sign().send(home).await
    }
}

impl Signed {
    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        set(&mut self.headers, name, value);
    }

    pub(super) async fn send(&self, home: &Home) -> Answer {
        self.send_to(home, &home.url).await
    }

    /// Sends it to `url`, where the home or a replica of it serves.
    pub(super) async fn send_to(&self, home: &Home, url: &str) -> Answer {
        let request = home.client.request(self.method.parse().unwrap(), format!("{url}{}", self.path));
        let answer = request.headers(self.headers.clone()).body(self.body.clone()).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.unwrap();
        let signed = self.is_answered_by(home, status, &headers, &bytes).await;
        Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or_default(), signed }
    }

    async fn is_answered_by(&self, home: &Home, status: u16, headers: &HeaderMap, body: &[u8]) -> bool {
        let Some(input) = headers.get("signature-input") else {
            assert!(!headers.contains_key("signature") && !headers.contains_key("content-digest"));
            return false;
        };
        let input = input.to_str().unwrap().strip_prefix("missive=").unwrap();
        let covered = "(\"@status\" \"content-digest\" \"signature\";req;key=\"sig\")";
        assert!(input.starts_with(covered) && input.contains(";tag=\"missive-federation\""), "{input}");
        assert_eq!(headers["content-digest"], digest(body));
        let own = self.headers["signature"].to_str().unwrap();
        let own = own.split("sig=").nth(1).unwrap().split(',').next().unwrap();
        let base = format!(
            "\"@status\": {status}\n\"content-digest\": {}\n\"signature\";req;key=\"sig\": {own}\n\"@signature-params\": {input}",
            digest(body)
        );
        let signature = headers["signature"].to_str().unwrap();
        let signature = STANDARD.decode(signature.strip_prefix("missive=:").unwrap().strip_suffix(':').unwrap());
        let signature = Signature::from_slice(&signature.unwrap()).unwrap();
        let document = home.get("/.well-known/missive/server").await.1;
        let known = document["keys"].as_array().unwrap().iter().find(|known| {
            let id = known["keyId"].as_str().unwrap();
            input.contains(&format!(";keyid=\"{id}\""))
        });
        let public = STANDARD.decode(known.unwrap()["publicKey"].as_str().unwrap()).unwrap();
        let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
        public.verify_strict(base.as_bytes(), &signature).unwrap();
        true
    }
}

impl Answer {
    /// Its status and code.
    pub(super) fn says(&self) -> (u16, &str) {
        let error = self.body["error"].as_str().unwrap_or_default();
        assert!(error.len() > 10, "{self:?}");
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    pub(super) fn retry_after(&self) -> Option<u64> {
        self.headers.get("retry-after").map(|seconds| seconds.to_str().unwrap().parse().unwrap())
    }
}

pub(super) fn digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
}
