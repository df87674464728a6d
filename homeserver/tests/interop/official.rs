//! Someone with the official TypeScript library of Signal: a Node process that does what it is told.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::process::{Homeserver, SERVER_NAME, person};

const PATIENCE: Duration = Duration::from_secs(30);

/// A client in Node; its process is killed when dropped.
pub struct Official {
    name: &'static str,
    process: Child,
    commands: ChildStdin,
    events: Receiver<Value>,
}

/// Whether the Node packages are there; continuous integration never does without.
pub fn is_installed() -> bool {
    let installed = library().exists();
    if !installed {
        let how = "run `cargo xtask test`, or `npm ci` in homeserver/tests/interop";
        assert!(std::env::var_os("CI").is_none(), "the official library of Signal is not installed: {how}");
        eprintln!("left out: the official library of Signal is not installed ({how})");
    }
    installed
}

impl Official {
    /// Starts a client that registers and publishes keys, among them so many one-time keys of each kind.
    pub fn register(server: &Homeserver, name: &'static str, one_time_keys: u32) -> Self {
        let mut process = Command::new("node")
            .arg(folder().join("main.mjs"))
            // The library finds its native half through `import.meta.dirname`. Where Node is older than 20.11 and lacks
            // that, it looks into the working directory.
            .current_dir(library())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut client = Self { name, process, commands, events };
        let command = json!({
            "do": "register",
            "server": server.url,
            "name": name,
            "password": person::PASSWORD,
            "oneTimeKeys": one_time_keys,
        });
        client.tell(&command);
        let registered = client.event("registered");
        assert_eq!(registered["address"], client.address());
        assert_eq!((&registered["preKeys"], &registered["pqPreKeys"]), (&json!(one_time_keys), &json!(one_time_keys)));
        client
    }

    pub fn address(&self) -> String {
        format!("{}@{SERVER_NAME}", self.name)
    }

    /// Connects; what came before `drained`.
    pub fn connect(&mut self, as_browser: bool) -> Vec<Value> {
        self.tell(&json!({"do": "connect", "asBrowser": as_browser}));
        self.event("hello");
        self.until("drained")
    }

    /// Ends the connection, once everything that was owed has been said.
    pub fn disconnect(&mut self) -> Vec<Value> {
        self.tell(&json!({"do": "disconnect"}));
        self.until("closed")
    }

    /// Sends texts.
    pub fn send(&mut self, to: &str, texts: &[String]) {
        self.tell(&json!({"do": "send", "to": to, "texts": texts}));
    }

    /// Sends a text with something wrong about it; see `client.mjs`.
    pub fn send_damaged(&mut self, to: &str, text: &str, damage: &str) {
        self.tell(&json!({"do": "send", "to": to, "texts": [text], "damage": damage}));
    }

    /// Does what `client.mjs` has under that name.
    pub fn tell(&mut self, command: &Value) {
        writeln!(self.commands, "{command}").unwrap();
    }

    /// The next event of a kind.
    pub fn event(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// The next event.
    pub fn next(&mut self) -> Value {
        let event = self.events.recv_timeout(PATIENCE);
        let event = event.unwrap_or_else(|_| panic!("{} says nothing more: {:?}", self.name, self.process.try_wait()));
        assert!(event["type"] != "error", "{}: {event}", self.name);
        event
    }

    /// The events before the next one of a kind.
    fn until(&mut self, kind: &str) -> Vec<Value> {
        std::iter::from_fn(|| Some(self.next()).filter(|event| event["type"] != kind)).collect()
    }
}

impl Drop for Official {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

fn library() -> PathBuf {
    folder().join("node_modules/@signalapp/libsignal-client")
}
