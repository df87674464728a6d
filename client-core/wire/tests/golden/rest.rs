//! The bodies of the REST routes.

use missive_wire::{
    Account, AccountChange, AcknowledgeMessages, AcknowledgeStatuses, ClaimedBundle, ClaimedDevice, Code,
    CreateAccount, CreateToken, Data, DeleteAccount, Delivered, ErrorBody, ErrorDetails, FoundAccount, FoundAccounts,
    KeyCount, KeyUpload, LoggedIn, MessageRef, PendingMessages, PendingStatuses, PreKey, Scope, Session, Sessions,
    SignedKeyRotation, SignedPreKey, StartOver, State, StatusRef, StatusUpdate, TotpRequired,
};
use serde_json::json;

use super::{ID, OTHER, alice, at, bob, bytes, content, device, pin, read};

const TIME: &str = "2026-03-01T12:00:00.000Z";

fn pre_key() -> PreKey {
    PreKey { key_id: 7, public_key: bytes() }
}

fn signed() -> SignedPreKey {
    SignedPreKey { key_id: u32::MAX, public_key: bytes(), signature: bytes() }
}

#[test]
fn answers() {
    pin(&Data { data: 1 }, &json!({"data": 1}));
    let body = |code, details| ErrorBody { error: "why".into(), code, details };
    pin(&body(Code::NotFound, ErrorDetails::default()), &json!({"error": "why", "code": "not_found"}));
    let wait = ErrorDetails { retry_after: Some(5), ..ErrorDetails::default() };
    pin(&body(Code::RateLimited, wait), &json!({"error": "why", "code": "rate_limited", "retryAfter": 5}));
    let reused = ErrorDetails { highest_key_id: Some(9), ..ErrorDetails::default() };
    pin(&body(Code::KeyIdReused, reused), &json!({"error": "why", "code": "key_id_reused", "highestKeyId": 9}));
}

#[test]
fn registration() {
    let bare = CreateAccount {
        name: "alice".into(),
        password: "secret".into(),
        registration_id: None,
        identity_key: None,
        invite_token: None,
        device_name: None,
    };
    pin(&bare, &json!({"name": "alice", "password": "secret"}));
    let whole = CreateAccount {
        registration_id: Some(1),
        identity_key: Some(bytes()),
        invite_token: Some("token".into()),
        device_name: Some("laptop".into()),
        ..bare
    };
    pin(
        &whole,
        &json!({"name": "alice", "password": "secret", "registrationId": 1, "identityKey": "+/8A", "inviteToken": "token",
            "deviceName": "laptop"}),
    );
    let logged_in =
        LoggedIn { id: ID, name: "alice".parse().unwrap(), device_id: device(1), access_token: "e30.e30.e30".into() };
    pin(&logged_in, &json!({"id": ID, "name": "alice", "deviceId": 1, "accessToken": "e30.e30.e30"}));
}

#[test]
fn logging_in() {
    let bare = CreateToken {
        name: "alice".into(),
        password: "secret".into(),
        totp: None,
        recovery_code: None,
        device_id: device(1),
        device_name: None,
        scope: None,
    };
    read(&bare, &json!({"name": "alice", "password": "secret"}));
    let whole = CreateToken {
        totp: Some("123456".into()),
        recovery_code: Some("code".into()),
        device_id: device(2),
        device_name: Some("bot".into()),
        scope: Some(Scope::ALL.to_vec()),
        ..bare
    };
    pin(
        &whole,
        &json!({"name": "alice", "password": "secret", "totp": "123456", "recoveryCode": "code", "deviceId": 2,
            "deviceName": "bot", "scope": ["profile:read", "profile:write", "keys:read", "keys:write", "messages:read",
            "messages:write"]}),
    );
    assert!(serde_json::from_value::<Scope>(json!("everything")).is_err());
    pin(&TotpRequired { status: "totp_required".into() }, &json!({"status": "totp_required"}));
}

#[test]
fn the_own_account() {
    let bare = Account {
        id: ID,
        name: "alice".parse().unwrap(),
        address: alice(),
        created_at: at(),
        identity_key: None,
        notification_id: None,
    };
    pin(&bare, &json!({"id": ID, "name": "alice", "address": "alice@one.example", "createdAt": TIME}));
    let whole = Account { identity_key: Some(bytes()), notification_id: Some("push".into()), ..bare };
    pin(
        &whole,
        &json!({"id": ID, "name": "alice", "address": "alice@one.example", "createdAt": TIME, "identityKey": "+/8A",
            "notificationID": "push"}),
    );
    let delete = DeleteAccount { password: "secret".into(), totp: None };
    pin(&delete, &json!({"password": "secret"}));
    pin(&DeleteAccount { totp: Some("123456".into()), ..delete }, &json!({"password": "secret", "totp": "123456"}));
}

#[test]
fn changes_of_the_own_account() {
    pin(&AccountChange::default(), &json!({}));
    let password =
        AccountChange { password: Some("old".into()), new_password: Some("new".into()), ..AccountChange::default() };
    pin(&password, &json!({"password": "old", "newPassword": "new"}));
    let removed = AccountChange { notification_id: Some(None), ..AccountChange::default() };
    pin(&removed, &json!({"notificationID": null}));
    let set = AccountChange { notification_id: Some(Some("push".into())), ..AccountChange::default() };
    pin(&set, &json!({"notificationID": "push"}));
}

#[test]
fn searching() {
    let local = FoundAccount { id: Some(ID), name: "alice".parse().unwrap(), address: alice() };
    let remote = FoundAccount { id: None, name: "bob".parse().unwrap(), address: bob() };
    pin(
        &FoundAccounts { users: vec![local, remote], more: false },
        &json!({"users": [
            {"id": ID, "name": "alice", "address": "alice@one.example"},
            {"name": "bob", "address": "bob@two.example:8448"}
        ], "more": false}),
    );
}

#[test]
fn sessions() {
    let bare = Session {
        id: ID,
        device_id: device(1),
        device_name: None,
        created_at: at(),
        last_used_at: at(),
        current: true,
    };
    let named = Session { id: OTHER, device_name: Some("laptop".into()), current: false, ..bare.clone() };
    pin(
        &Sessions { sessions: vec![bare, named] },
        &json!({"sessions": [
            {"id": ID, "deviceId": 1, "createdAt": TIME, "lastUsedAt": TIME, "current": true},
            {"id": OTHER, "deviceId": 1, "deviceName": "laptop", "createdAt": TIME, "lastUsedAt": TIME, "current": false}
        ]}),
    );
}

#[test]
fn publishing_keys() {
    pin(&KeyUpload::default(), &json!({}));
    let upload = KeyUpload {
        identity_key: Some(bytes()),
        registration_id: Some(16_380),
        signed_pre_key: Some(signed()),
        pre_keys: vec![pre_key()],
        pq_last_resort_pre_key: Some(signed()),
        pq_pre_keys: vec![signed()],
    };
    let key = json!({"keyId": 4_294_967_295_u32, "publicKey": "+/8A", "signature": "+/8A"});
    let mut expected = json!({"identityKey": "+/8A", "registrationId": 16380, "signedPreKey": key,
        "preKeys": [{"keyId": 7, "publicKey": "+/8A"}], "pqLastResortPreKey": key, "pqPreKeys": [key]});
    pin(&upload, &expected);
    expected["password"] = json!("secret");
    pin(&StartOver { password: "secret".into(), totp: None, keys: upload }, &expected);
    pin(
        &SignedKeyRotation { signed_pre_key: Some(signed()), pq_last_resort_pre_key: Some(signed()) },
        &json!({"signedPreKey": key, "pqLastResortPreKey": key}),
    );
}

#[test]
fn claiming_and_counting_keys() {
    let key = json!({"keyId": 4_294_967_295_u32, "publicKey": "+/8A", "signature": "+/8A"});
    let whole = ClaimedDevice {
        device_id: device(1),
        registration_id: 5,
        signed_pre_key: signed(),
        pre_key: Some(pre_key()),
        pq_pre_key: signed(),
    };
    let without = ClaimedDevice { device_id: device(2), pre_key: None, ..whole.clone() };
    pin(
        &ClaimedBundle { identity_key: bytes(), devices: vec![whole, without] },
        &json!({"identityKey": "+/8A", "devices": [
            {"deviceId": 1, "registrationId": 5, "signedPreKey": key, "preKey": {"keyId": 7, "publicKey": "+/8A"},
                "pqPreKey": key},
            {"deviceId": 2, "registrationId": 5, "signedPreKey": key, "pqPreKey": key}
        ]}),
    );
    let none = KeyCount { pre_keys: 0, pq_pre_keys: 0, identity_key: None, digest: None };
    pin(&none, &json!({"preKeys": 0, "pqPreKeys": 0}));
    let some = KeyCount { pre_keys: 100, pq_pre_keys: 99, identity_key: Some(bytes()), digest: Some(bytes()) };
    pin(&some, &json!({"preKeys": 100, "pqPreKeys": 99, "identityKey": "+/8A", "digest": "+/8A"}));
}

#[test]
fn pending_messages() {
    let message = Delivered {
        id: ID,
        sender: bob(),
        sender_id: None,
        sender_device: device(1),
        kind: None,
        content: content(),
        sent_at: at(),
    };
    pin(
        &PendingMessages { messages: vec![message], more: true },
        &json!({"messages": [{"id": ID, "sender": "bob@two.example:8448", "senderDevice": 1,
            "content": "Y2lwaGVydGV4dA==", "sentAt": TIME}], "more": true}),
    );
    let named = MessageRef { sender: bob(), sender_device: device(1), id: ID };
    let whole = AcknowledgeMessages { messages: vec![named], ids: vec![] };
    pin(&whole, &json!({"messages": [{"sender": "bob@two.example:8448", "senderDevice": 1, "id": ID}]}));
    read(&whole, &json!({"messages": [{"sender": "bob@two.example:8448", "id": ID}]}));
    pin(&AcknowledgeMessages { messages: vec![], ids: vec![ID] }, &json!({"ids": [ID]}));
}

#[test]
fn pending_statuses() {
    let status =
        StatusUpdate { message_id: Some(ID), message_ids: vec![], state: State::Read, sender: bob(), code: None };
    pin(
        &PendingStatuses { statuses: vec![status], more: false },
        &json!({"statuses": [{"messageId": ID, "state": "read", "sender": "bob@two.example:8448"}], "more": false}),
    );
    let one = StatusRef { message_id: ID, state: State::Undeliverable };
    pin(
        &AcknowledgeStatuses { statuses: vec![one], ids: vec![] },
        &json!({"statuses": [{"messageId": ID, "state": "undeliverable"}]}),
    );
    pin(&AcknowledgeStatuses { statuses: vec![], ids: vec![OTHER] }, &json!({"ids": [OTHER]}));
}

#[test]
fn no_secret_is_printed() {
    let account = CreateAccount {
        name: "alice".into(),
        password: "hunter2".into(),
        registration_id: None,
        identity_key: None,
        invite_token: Some("hunter2".into()),
        device_name: None,
    };
    let change = AccountChange { new_password: Some("hunter2".into()), ..AccountChange::default() };
    let over = StartOver { password: "hunter2".into(), totp: Some("hunter2".into()), keys: KeyUpload::default() };
    let token: CreateToken =
        serde_json::from_value(json!({"name": "a", "password": "hunter2", "totp": "hunter2"})).unwrap();
    let logged_in =
        LoggedIn { id: ID, name: "alice".parse().unwrap(), device_id: device(1), access_token: "hunter2".into() };
    let delete = DeleteAccount { password: "hunter2".into(), totp: None };
    let printed = format!("{account:?} {change:?} {over:?} {token:?} {logged_in:?} {delete:?}");
    assert!(!printed.contains("hunter2"), "{printed}");
}
