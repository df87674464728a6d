//! Every route asks for its scope, and only for a token of this server.

use serde_json::{Value, json};

use crate::common::{Home, PASSWORD, Person, both};

pub(super) const SCOPES: [&str; 6] =
    ["profile:read", "profile:write", "keys:read", "keys:write", "messages:read", "messages:write"];

/// Every route that takes an access token: method, path, scope.
const ROUTES: [(&str, &str, &str); 15] = [
    ("GET", "/api/v1/users?search=b", "profile:read"),
    ("GET", "/api/v1/users/{id}", "profile:read"),
    ("PATCH", "/api/v1/users/{id}", "profile:write"),
    ("DELETE", "/api/v1/users/{id}", "profile:write"),
    ("GET", "/api/v1/users/{id}/sessions", "profile:read"),
    ("DELETE", "/api/v1/users/{id}/sessions/none", "profile:write"),
    ("GET", "/api/v1/users/{name}/keys", "keys:read"),
    ("POST", "/api/v1/users/{name}/keys", "keys:write"),
    ("PATCH", "/api/v1/users/{name}/keys", "keys:write"),
    ("GET", "/api/v1/users/{name}/keys/count", "keys:read"),
    ("POST", "/api/v1/users/{name}/identity", "keys:write"),
    ("GET", "/api/v1/users/{name}/messages", "messages:read"),
    ("DELETE", "/api/v1/users/{name}/messages", "messages:read"),
    ("GET", "/api/v1/users/{name}/messages/status", "messages:read"),
    ("DELETE", "/api/v1/users/{name}/messages/status", "messages:read"),
];

fn path(pattern: &str, person: &Person) -> String {
    pattern.replace("{id}", &person.id.to_string()).replace("{name}", &person.name)
}

async fn ask(person: &Person, method: &str, pattern: &str) -> (u16, Value) {
    person.send_bytes(method, &path(pattern, person), b"{}".to_vec()).await
}

#[tokio::test]
async fn every_other_scope_together_opens_no_route() {
    for home in both().await {
        let alice = home.register("alice").await;
        for scope in SCOPES {
            let lacking =
                alice.with_scope(&SCOPES.into_iter().filter(|other| *other != scope).collect::<Vec<_>>()).await;
            let only = alice.with_scope(&[scope]).await;
            for (method, pattern, needed) in ROUTES {
                let (status, body) = ask(if scope == needed { &lacking } else { &only }, method, pattern).await;
                assert_eq!((status, body["code"].as_str()), (403, Some("missing_scope")), "{method} {pattern}: {body}");
                assert!(body["error"].as_str().unwrap().contains(needed), "{body}");
            }
        }
    }
}

#[tokio::test]
async fn the_scope_is_all_a_route_asks_for() {
    for home in both().await {
        let alice = home.register("alice").await;
        for scope in SCOPES {
            let only = alice.with_scope(&[scope]).await;
            for (method, pattern, _) in ROUTES.into_iter().filter(|(_, _, needed)| *needed == scope) {
                let (status, body) = ask(&only, method, pattern).await;
                assert!(![401, 403, 405, 500].contains(&status), "{method} {pattern}: {status} {body}");
            }
        }
    }
}

#[tokio::test]
async fn the_list_here_is_the_list_that_is_served() {
    for home in both().await {
        let (status, document) = home.get("/api/openapi.json").await;
        assert_eq!(status, 200);
        let mut served = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                served.push(format!("{} {path}", method.to_uppercase()));
            }
        }
        let open = ["POST /api/v1/users", "POST /api/v1/tokens", "PUT /api/v1/tokens", "DELETE /api/v1/tokens"];
        let peers = ["GET /.well-known/missive/server", "GET /federation/v1/keys"];
        let open = open.into_iter().chain(peers).chain(["GET /health/live", "GET /health/ready"]).map(str::to_owned);
        let scoped = ROUTES.iter().map(|(method, path, _)| format!("{method} {}", path.split('?').next().unwrap()));
        let mut listed = open.chain(scoped).map(|route| route.replace("/none", "/{sid}")).collect::<Vec<_>>();
        served.sort();
        listed.sort();
        assert_eq!(served, listed);
    }
}

/// Every token that opens nothing, and why.
pub(super) async fn worthless(home: &Home, alice: &Person) -> Vec<(&'static str, String)> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let [header, claims, signature] =
        <[&str; 3]>::try_from(alice.access_token.split('.').collect::<Vec<_>>()).unwrap().map(str::to_owned);
    let header_json: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&header).unwrap()).unwrap();
    let with_algorithm = |algorithm: &str| {
        let mut header = header_json.clone();
        header["alg"] = json!(algorithm);
        encode(header.to_string().as_bytes())
    };
    let public = home.get("/.well-known/jwks.json").await.1["keys"][0]["x"].as_str().unwrap().to_owned();
    let with_hmac = |key: &[u8]| {
        use hmac::{Hmac, Mac as _};
        let signed = format!("{}.{claims}", with_algorithm("HS256"));
        let mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap().chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", encode(&mac))
    };
    let none = with_algorithm("none");
    let mut more: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&claims).unwrap()).unwrap();
    more["exp"] = json!(more["exp"].as_i64().unwrap() + 1);
    let mut flipped = URL_SAFE_NO_PAD.decode(&signature).unwrap();
    flipped[0] ^= 1;
    vec![
        ("nothing", String::new()),
        ("noise", "x".repeat(10_000)),
        ("dots", "..".into()),
        ("no algorithm", format!("{none}.{claims}.")),
        ("no algorithm, signed", format!("{none}.{claims}.{signature}")),
        ("HMAC with the public key's bytes", with_hmac(&URL_SAFE_NO_PAD.decode(&public).unwrap())),
        ("HMAC with the public key's text", with_hmac(public.as_bytes())),
        ("other claims", format!("{header}.{}.{signature}", encode(more.to_string().as_bytes()))),
        ("another signature", format!("{header}.{claims}.{}", encode(&flipped))),
        ("no signature", format!("{header}.{claims}.")),
        ("a refresh token", alice.refresh_token.clone()),
    ]
}

#[tokio::test]
async fn worthless_tokens_open_nothing() {
    let others = both().await;
    for (home, other) in both().await.into_iter().zip(others) {
        let (alice, elsewhere) = (home.register("alice").await, other.register("alice").await);
        let mut tokens = worthless(&home, &alice).await;
        tokens.push(("another server's", elsewhere.access_token));
        for (what, token) in tokens {
            let mut thief = alice.clone();
            thief.access_token = token;
            for (method, pattern, _) in ROUTES {
                let (status, body) = ask(&thief, method, pattern).await;
                assert_eq!((status, body["code"].as_str()), (401, Some("unauthorized")), "{what}: {method} {pattern}");
            }
        }
        for (method, pattern, _) in ROUTES {
            let reply = home.send(method, &path(pattern, &alice), &[], b"{}".to_vec()).await;
            assert_eq!((reply.status, reply.code()), (401, "unauthorized"), "{method} {pattern}");
            let basic = [("authorization", "Basic YWxpY2U6eA==")];
            assert_eq!(home.send(method, &path(pattern, &alice), &basic, b"{}".to_vec()).await.status, 401);
        }
        for token in [&alice.access_token, &elsewhere.refresh_token, "", "x"] {
            for method in ["PUT", "DELETE"] {
                let reply = alice.with_cookie(method, "/api/v1/tokens", token).await;
                assert_eq!((reply.status, reply.code()), (401, "unauthorized"), "{method} {token}");
            }
        }
        assert_eq!(alice.get(&alice.path("")).await.0, 200);
        assert_eq!(alice.refresh(&alice.refresh_token).await.status, 200);
    }
}

#[tokio::test]
async fn an_access_token_ends_after_15_minutes() {
    for home in both().await {
        let alice = home.register("alice").await;
        home.clock.advance(15 * 60 * 1_000 - 1_000);
        assert_eq!(alice.get(&alice.path("")).await.0, 200);
        home.clock.advance(1_000);
        for (method, pattern, _) in ROUTES {
            let (status, body) = ask(&alice, method, pattern).await;
            assert_eq!((status, body["code"].as_str()), (401, Some("token_expired")), "{method} {pattern}: {body}");
        }
    }
}

#[tokio::test]
async fn the_public_key_verifies_an_access_token() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use ed25519_dalek::{Signature, VerifyingKey};
    for home in both().await {
        let alice = home.register("alice").await;
        let (status, jwks) = home.get("/.well-known/jwks.json").await;
        let key = &jwks["keys"][0];
        assert_eq!(
            (status, &key["kty"], &key["crv"], &key["alg"]),
            (200, &json!("OKP"), &json!("Ed25519"), &json!("EdDSA"))
        );
        let x: [u8; 32] = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap().try_into().unwrap();
        let (signed, signature) = alice.access_token.rsplit_once('.').unwrap();
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        VerifyingKey::from_bytes(&x).unwrap().verify_strict(signed.as_bytes(), &signature).unwrap();
        assert!(!jwks.to_string().contains("\"d\""), "a private key is served: {jwks}");
    }
}

#[tokio::test]
async fn a_password_never_stands_in_an_answer() {
    for home in both().await {
        let reply = home.try_log_in(&json!({ "name": "nobody", "password": PASSWORD })).await;
        assert!(!reply.body.to_string().contains(PASSWORD));
        let body = format!(r#"{{"name": "alice", "password": "{PASSWORD}", "deviceName": 7}}"#).into_bytes();
        let reply = home.send("POST", "/api/v1/users", &[], body).await;
        assert_eq!(reply.code(), "malformed");
        assert!(!reply.body.to_string().contains(PASSWORD), "{}", reply.body);
    }
}
