//! A WebSocket (RFC 6455), the client's side by hand: many frames a read, many frames a write, nothing copied twice.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Bytes asked of the kernel at a time.
const READ: usize = 64 * 1024;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A connection.
pub struct Socket {
    stream: TcpStream,
    incoming: Vec<u8>,
    /// Where what was not yet taken begins.
    taken: usize,
    outgoing: Vec<u8>,
    text: String,
    mask: [u8; 4],
}

impl Socket {
    /// Connects with an access token.
    pub async fn connect(address: SocketAddr, token: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        // The key only tells a WebSocket server from one that merely repeats what it hears.
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut socket = Self {
            stream,
            incoming: Vec::new(),
            taken: 0,
            outgoing: Vec::new(),
            text: String::new(),
            mask: rand::random(),
        };
        socket.upgraded().await?;
        Ok(socket)
    }

    async fn upgraded(&mut self) -> Result<()> {
        loop {
            self.stream.read_buf(&mut self.incoming).await.context("the server closed the door")?;
            let end = self.incoming.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            match end {
                Some(end) if self.incoming.starts_with(b"HTTP/1.1 101 ") => {
                    self.taken = end + 4;
                    return Ok(());
                }
                Some(_) => bail!("no WebSocket: {}", String::from_utf8_lossy(&self.incoming)),
                None if self.incoming.len() > READ => bail!("no end of the upgrade's answer"),
                None => {}
            }
        }
    }

    /// Adds a text frame to what [`Self::flush`] will send.
    pub fn write(&mut self, frame: impl FnOnce(&mut String)) {
        self.text.clear();
        frame(&mut self.text);
        let text = std::mem::take(&mut self.text);
        self.frame(TEXT, text.as_bytes());
        self.text = text;
    }

    fn frame(&mut self, opcode: u8, payload: &[u8]) {
        self.outgoing.push(0x80 | opcode);
        match payload.len() {
            short @ 0..=125 => self.outgoing.push(0x80 | u8::try_from(short).unwrap_or_default()),
            long => {
                // No frame of ours has 64 KiB: 126, masked, announces a length of two bytes.
                self.outgoing.push(0xfe);
                self.outgoing.extend(u16::try_from(long).unwrap_or_default().to_be_bytes());
            }
        }
        self.outgoing.extend(self.mask);
        let start = self.outgoing.len();
        self.outgoing.extend_from_slice(payload);
        for (byte, mask) in self.outgoing[start..].iter_mut().zip(self.mask.iter().cycle()) {
            *byte ^= mask;
        }
    }

    /// Sends what was written.
    pub async fn flush(&mut self) -> Result<()> {
        if !self.outgoing.is_empty() {
            self.stream.write_all(&self.outgoing).await.context("the server took nothing more")?;
            self.outgoing.clear();
        }
        Ok(())
    }

    /// Reads what has come, waiting for something to come. Given up half-way, nothing is lost.
    pub async fn fill(&mut self) -> Result<()> {
        self.incoming.drain(..self.taken);
        self.taken = 0;
        self.incoming.reserve(READ);
        match self.stream.read_buf(&mut self.incoming).await {
            Ok(0) => bail!("the server closed the connection"),
            Ok(_) => Ok(()),
            Err(error) => Err(error).context("the connection broke"),
        }
    }

    /// The next text frame of what was read.
    pub fn next(&mut self) -> Result<Option<&[u8]>> {
        loop {
            let Some(frame) = Header::read(&self.incoming[self.taken..])? else { return Ok(None) };
            let payload = self.taken + frame.start..self.taken + frame.end;
            self.taken = payload.end;
            match frame.opcode {
                TEXT => return Ok(Some(&self.incoming[payload])),
                PING => {
                    let payload = self.incoming[payload].to_vec();
                    self.frame(PONG, &payload);
                }
                PONG => {}
                CLOSE => bail!("the server closed: {}", closing(&self.incoming[payload])),
                other => bail!("a frame with opcode {other}"),
            }
        }
    }

    /// The next text frame, waiting for it.
    pub async fn wait(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(text) = self.next()? {
                return Ok(text.to_vec());
            }
            self.flush().await?;
            self.fill().await?;
        }
    }

    /// Gives back the memory of an idle connection's buffers.
    pub fn shrink(&mut self) {
        self.incoming.drain(..self.taken);
        self.taken = 0;
        self.incoming.shrink_to_fit();
        self.outgoing = Vec::new();
    }

    /// Says goodbye and waits until the server has closed too.
    pub async fn close(mut self) -> Result<()> {
        self.frame(CLOSE, &1000_u16.to_be_bytes());
        self.flush().await?;
        loop {
            self.incoming.clear();
            if matches!(self.stream.read_buf(&mut self.incoming).await, Ok(0) | Err(_)) {
                return Ok(());
            }
        }
    }
}

/// Where a frame's payload is.
struct Header {
    opcode: u8,
    start: usize,
    end: usize,
}

impl Header {
    /// `None` while the frame is not whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>> {
        let [first, second, ..] = *bytes else { return Ok(None) };
        if first & 0xf0 != 0x80 || second & 0x80 != 0 {
            bail!("a fragmented, extended or masked frame");
        }
        let extended = match second {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let start = 2 + extended;
        let Some(extension) = bytes.get(2..start) else { return Ok(None) };
        let length = match extended {
            0 => u64::from(second),
            _ => extension.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let end = start + usize::try_from(length.min(1 << 24))?;
        Ok((bytes.len() >= end).then_some(Self { opcode: first & 0x0f, start, end }))
    }
}

fn closing(payload: &[u8]) -> String {
    match payload.split_at_checked(2) {
        Some((code, reason)) => {
            format!("{} {}", u16::from_be_bytes([code[0], code[1]]), String::from_utf8_lossy(reason))
        }
        None => "without a code".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::Header;

    #[test]
    fn a_frame_is_found_once_it_is_whole() {
        let short = [0x81, 3, b'a', b'b', b'c', 0x81];
        let frame = Header::read(&short).unwrap().unwrap();
        assert_eq!((frame.opcode, frame.start, frame.end), (1, 2, 5));
        for length in 0..5 {
            assert!(Header::read(&short[..length]).unwrap().is_none());
        }
        let mut long = vec![0x81, 126, 1, 0];
        assert!(Header::read(&long).unwrap().is_none());
        long.resize(4 + 256, b'x');
        assert_eq!(Header::read(&long).unwrap().unwrap().end, 260);
        assert!(Header::read(&[0x01, 0]).is_err());
        assert!(Header::read(&[0x81, 0x80]).is_err());
    }
}
