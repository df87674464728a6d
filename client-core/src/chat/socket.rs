//! The WebSocket: opening it, frames in and out.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use missive_wire::{FRAME_MAX_BYTES, Hello, ServerFrame};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest as _,
        http::{HeaderValue, header},
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::{
    Error,
    account::{Session, refusal},
};

const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The server pings every 30 s; a connection silent for this long is none.
const SILENCE: Duration = Duration::from_secs(90);

/// How long the other side may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// An open connection.
pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// When the other side was last heard; kept here, so that what we do meanwhile does not count.
    heard: Instant,
}

/// What came in.
pub(super) enum Incoming {
    /// A frame of the protocol, or of a later version of it (`None`).
    Frame(Option<Box<ServerFrame>>),
    /// The other side closed, with this code and reason.
    Closed(u16, String),
    /// The connection broke.
    Lost(String),
}

impl Socket {
    /// Opens the connection and waits for `hello`.
    pub(super) async fn open(session: &Session) -> Result<(Self, Hello), Error> {
        let token = session.access_token().await?;
        let mut socket = match connect(session, &token).await {
            Err(Error::SessionEnded) => connect(session, &session.refresh(&token).await?).await?,
            result => result?,
        };
        let first = timeout(OPEN_TIMEOUT, socket.next()).await;
        match first.map_err(|_| Error::Unreachable("it does not say hello".to_owned()))? {
            Incoming::Frame(Some(frame)) => match *frame {
                ServerFrame::Hello { hello } => Ok((socket, hello)),
                _ => Err(Error::UnexpectedAnswer("its first frame is no hello".to_owned())),
            },
            Incoming::Frame(None) => Err(Error::UnexpectedAnswer("its first frame is no hello".to_owned())),
            Incoming::Closed(4401, _) => Err(Error::SessionEnded),
            Incoming::Closed(code, reason) => Err(Error::Unreachable(format!("it closed at once ({code}) {reason}"))),
            Incoming::Lost(reason) => Err(Error::Unreachable(reason)),
        }
    }

    /// The next thing that comes in. Cancel-safe.
    pub(super) async fn next(&mut self) -> Incoming {
        loop {
            let Ok(next) = timeout_at(self.heard + SILENCE, self.stream.next()).await else {
                return Incoming::Lost("the homeserver is silent".to_owned());
            };
            self.heard = Instant::now();
            match next {
                None => return Incoming::Lost("the connection ended".to_owned()),
                Some(Err(error)) => return Incoming::Lost(error.to_string()),
                Some(Ok(Message::Text(text))) => return Incoming::Frame(parse(&text)),
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) =
                        frame.map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
                    return Incoming::Closed(code, reason);
                }
                // Pings are answered by the library; nothing else means anything.
                Some(Ok(_)) => {}
            }
        }
    }

    /// Sends frames, in order.
    pub(super) async fn send(&mut self, frames: impl IntoIterator<Item = String>) -> Result<(), String> {
        let sending = async {
            for frame in frames {
                self.stream.feed(Message::text(frame)).await?;
            }
            self.stream.flush().await
        };
        match timeout(WRITE_TIMEOUT, sending).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err("the homeserver does not read".to_owned()),
        }
    }

    /// Says goodbye and waits for the same: what was sent before has then been read.
    pub(super) async fn close(mut self) {
        let goodbye = async {
            let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            if self.stream.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        let _ = timeout(GOODBYE, goodbye).await;
    }
}

fn parse(text: &str) -> Option<Box<ServerFrame>> {
    let frame = serde_json::from_str(text).ok().map(Box::new);
    if frame.is_none() {
        tracing::debug!(bytes = text.len(), "a frame that this version does not know");
    }
    frame
}

async fn connect(session: &Session, token: &SecretString) -> Result<Socket, Error> {
    let url = session.socket_url();
    let mut request = url.into_client_request().map_err(|error| Error::InvalidServer(error.to_string()))?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| Error::UnexpectedAnswer("its token cannot be used".to_owned()))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    let config =
        WebSocketConfig::default().max_message_size(Some(FRAME_MAX_BYTES)).max_frame_size(Some(FRAME_MAX_BYTES));
    match timeout(OPEN_TIMEOUT, connect_async_with_config(request, Some(config), true)).await {
        Err(_) => Err(Error::Unreachable("it does not answer in time".to_owned())),
        Ok(Ok((stream, _))) => Ok(Socket { stream, heard: Instant::now() }),
        Ok(Err(tungstenite::Error::Http(response))) => {
            let body = response.body().as_deref().unwrap_or_default();
            Err(refusal(response.status(), None, body))
        }
        Ok(Err(error)) => Err(Error::Unreachable(error.to_string())),
    }
}
