//! An implementation of RFC 9421 that is not ours, as a process that is asked (the Python package
//! `http-message-signatures`).
//!
//! `cargo xtask test` puts the packages of `requirements.txt` into `.tools/python`. Without them the tests that ask it are
//! left out, but where `CI` is set they fail.
#![allow(dead_code)] // each test binary uses its part

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// The other implementation.
pub(super) struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    /// `None`, with a word why, where the packages are not there.
    pub(super) fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python: PathBuf = root.join("../.tools/python/bin/python");
        if !python.exists() {
            assert!(std::env::var_os("CI").is_none(), "{} is missing: run `cargo xtask test`", python.display());
            eprintln!("left out: no {}; `cargo xtask test` makes it", python.display());
            return None;
        }
        let mut command = Command::new(python);
        command.arg(root.join("tests/peers/interop.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { child, input, output })
    }

    pub(super) fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.input, "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Whether it accepts a message, given what it is told of it beside the key.
    pub(super) fn accepts(&mut self, mut told: Value, key_id: &str, seed: u8) -> Result<(), String> {
        told["do"] = json!("verify");
        told["keyId"] = json!(key_id);
        told["secret"] = json!(STANDARD.encode([seed; 32]));
        let said = self.ask(&told);
        match said.get("refused") {
            Some(why) => Err(why.to_string()),
            None if said["verified"] == 1 => Ok(()),
            None => panic!("{said}"),
        }
    }

    /// The message's headers, once it has signed it.
    pub(super) fn sign(&mut self, mut told: Value, key_id: &str, seed: u8) -> HeaderMap {
        told["do"] = json!("sign");
        told["keyId"] = json!(key_id);
        told["secret"] = json!(STANDARD.encode([seed; 32]));
        let said = self.ask(&told);
        headers(said.get("headers").unwrap_or_else(|| panic!("{said}")))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Headers as it tells them.
pub(super) fn headers(json: &Value) -> HeaderMap {
    let pair = |(name, value): (&String, &Value)| {
        let name = name.to_lowercase().parse::<HeaderName>().unwrap();
        (name, HeaderValue::from_str(value.as_str().unwrap()).unwrap())
    };
    json.as_object().unwrap().iter().map(pair).collect()
}
