//! Two parties without a network between them.
#![allow(dead_code)] // each test file uses its part

pub mod puppet;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use client_core::{
    Clock, Mailbox, Namespace, Outgoing, Storage, Unlock,
    wire::{
        Address, ClaimedBundle, ClaimedDevice, ClientFrame, Delivered, DeviceId, KeyUpload, MessageContent, MessageId,
        Timestamp,
    },
};
use tempfile::TempDir;

pub const KEY: [u8; 32] = [7; 32];

/// An account with a storage of its own.
pub struct Party {
    pub mailbox: Mailbox,
    pub upload: KeyUpload,
    pub home: TempDir,
    claimed: usize,
    /// How far the outbox has been taken.
    delivered: AtomicI64,
}

impl Party {
    pub async fn new(address: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mailbox = mailbox(home.path(), address).await;
        mailbox.install().await.unwrap();
        let upload = mailbox.pending_upload().await.unwrap().unwrap();
        mailbox.upload_done().await.unwrap();
        Self { mailbox, upload, home, claimed: 0, delivered: AtomicI64::new(0) }
    }

    pub fn address(&self) -> &Address {
        self.mailbox.own()
    }

    /// A bundle as a homeserver would hand it out: each one-time key once.
    pub fn claim(&mut self) -> ClaimedBundle {
        let bundle = bundle(&self.upload, Some(self.claimed));
        self.claimed += 1;
        bundle
    }

    /// Composes, and takes the ciphertext as it would be delivered.
    pub async fn write(&self, to: &Party, text: &str) -> Delivered {
        self.write_to(to.address(), text).await
    }

    pub async fn write_to(&self, to: &Address, text: &str) -> Delivered {
        let id = self.mailbox.compose(to, text).await.unwrap();
        self.delivered(id).await
    }

    /// What the outbox has under that id, as it would be delivered.
    pub async fn delivered(&self, id: MessageId) -> Delivered {
        let outbox = self.mailbox.outbox(self.delivered.load(Ordering::Relaxed), 10).await.unwrap();
        let (position, outgoing) = outbox.into_iter().find(|(_, outgoing)| outgoing.id == id).unwrap();
        self.delivered.store(position, Ordering::Relaxed);
        deliver(self.address(), &outgoing)
    }

    /// Starts a conversation: claims the other's keys.
    pub async fn meet(&self, other: &mut Party) {
        let bundle = other.claim();
        self.mailbox.learn_bundle(other.address(), &bundle).await.unwrap();
    }
}

pub async fn mailbox(home: &Path, address: &str) -> Mailbox {
    let address: Address = address.parse().unwrap();
    let storage = storage(home, &address, &Unlock::Key(KEY)).await;
    Mailbox::open(Arc::new(storage), address, Clock::system()).await.unwrap()
}

pub async fn storage(home: &Path, address: &Address, unlock: &Unlock) -> Storage {
    let namespace = Namespace::make(home, address, unlock).await.unwrap();
    Storage::open(&namespace, Duration::from_secs(5)).await.unwrap()
}

pub fn bundle(upload: &KeyUpload, one_time: Option<usize>) -> ClaimedBundle {
    let pre_key = one_time.and_then(|n| upload.pre_keys.get(n).cloned());
    let last_resort = upload.pq_last_resort_pre_key.clone().unwrap();
    let pq_pre_key = one_time.and_then(|n| upload.pq_pre_keys.get(n).cloned()).unwrap_or(last_resort);
    ClaimedBundle {
        identity_key: upload.identity_key.clone().unwrap(),
        devices: vec![ClaimedDevice {
            device_id: DeviceId::FIRST,
            registration_id: upload.registration_id.unwrap(),
            signed_pre_key: upload.signed_pre_key.clone().unwrap(),
            pre_key,
            pq_pre_key,
        }],
    }
}

pub fn deliver(sender: &Address, outgoing: &Outgoing) -> Delivered {
    let ClientFrame::Message(frame) = ClientFrame::parse(&outgoing.frame).unwrap() else { panic!("not a message") };
    let MessageContent::Lone { kind, content } = frame.content else { panic!("not a lone content") };
    Delivered {
        id: frame.id.unwrap(),
        sender: sender.clone(),
        sender_id: None,
        sender_device: DeviceId::FIRST,
        kind,
        content,
        sent_at: Timestamp::from_millis(1_700_000_000_000),
    }
}
