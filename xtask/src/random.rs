//! Names and passwords nobody else on the machine can guess.

use std::{fmt::Write as _, fs::File, io::Read as _};

use anyhow::{Context, Result};

/// `bytes` bytes of the kernel's randomness, in hexadecimal.
pub(crate) fn hex(bytes: usize) -> Result<String> {
    let mut buffer = vec![0; bytes];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut buffer)).context("reading /dev/urandom")?;
    Ok(buffer.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
