//! A proxy in front of a homeserver that does whatever networks, and those who own them, do to a connection.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

use crate::common::Home;

/// Makes an answer of a request: the whole of both, as they are on the wire.
pub(crate) type Forge = Arc<dyn Fn(&Exchange) -> Vec<u8> + Send + Sync>;

/// What it does. The faults that concern one answer spare discovery: there they would be seen for what they are.
#[derive(Clone)]
pub(crate) enum Mode {
    /// Everything gets through.
    Pass,
    /// Nothing listens.
    Refuse,
    /// The homeserver gets each request; its answer gets lost.
    Swallow,
    /// The homeserver gets nothing: the proxy answers.
    Answer(Forge),
    /// Connections are taken, and nothing is ever said.
    BlackHole,
    /// An answer that never ends, a byte a second.
    Trickle,
    /// Everything gets through, so much later.
    Delay(Duration),
    /// The homeserver gets each request twice. The second answer is kept, the first one passed on.
    Twice,
}

/// A request, and its answer, if there was one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange {
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) url: String,
    mode: watch::Sender<Mode>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    target: Mutex<SocketAddr>,
    /// Transactions that went through.
    passed: Mutex<Vec<Exchange>>,
    /// Answers to requests that went through for the second time.
    again: Mutex<Vec<Vec<u8>>>,
    /// Transactions that came.
    transactions: AtomicUsize,
}

impl Proxy {
    /// A proxy that leads nowhere yet.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, modes) = watch::channel(Mode::Pass);
        let shared = Arc::new(Shared {
            target: Mutex::new(address),
            passed: Mutex::default(),
            again: Mutex::default(),
            transactions: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(address, listener, modes, shared.clone()));
        Self { url: format!("http://{address}"), mode, shared, task }
    }

    /// Leads to where the home serves now.
    pub(crate) fn lead_to(&self, home: &Home) {
        *self.shared.target.lock().unwrap() = home.url.trim_start_matches("http://").parse().unwrap();
    }

    /// Does that from now on. Connections that hang are closed.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Transactions that went through, with their answers, oldest first.
    pub(crate) fn passed(&self) -> Vec<Exchange> {
        self.shared.passed.lock().unwrap().clone()
    }

    /// What was answered to requests that came for the second time.
    pub(crate) fn answered_again(&self) -> Vec<Vec<u8>> {
        self.shared.again.lock().unwrap().clone()
    }

    /// Sends the homeserver a request once more, long after.
    pub(crate) async fn repeat(&self, request: &[u8]) -> Vec<u8> {
        forward(self.shared.target(), request).await.unwrap()
    }

    /// How many transactions have come, whatever became of them.
    pub(crate) fn transactions(&self) -> usize {
        self.shared.transactions.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn target(&self) -> SocketAddr {
        *self.target.lock().unwrap()
    }
}

impl Exchange {
    /// The body of the request.
    pub(crate) fn body(&self) -> &[u8] {
        body(&self.request)
    }

    fn is_transaction(&self) -> bool {
        self.request.starts_with(b"POST /federation/v1/transactions/")
    }
}

/// What comes after the head.
pub(crate) fn body(message: &[u8]) -> &[u8] {
    end_of_head(message).map_or(&[], |end| &message[end..])
}

/// An answer as it is on the wire.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

async fn listen(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn accept(address: SocketAddr, listener: TcpListener, mut modes: watch::Receiver<Mode>, shared: Arc<Shared>) {
    let mut listener = Some(listener);
    loop {
        let mode = modes.borrow_and_update().clone();
        if matches!(mode, Mode::Refuse) {
            listener = None;
        } else if listener.is_none() {
            listener = Some(listen(address).await);
        }
        let connection = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = modes.changed() => if changed.is_err() { return },
            Ok((stream, _)) = connection => {
                tokio::spawn(serve(stream, mode, modes.clone(), shared.clone()));
            }
        }
    }
}

/// One request a connection, which ends as soon as the proxy does something else.
async fn serve(mut stream: TcpStream, mode: Mode, mut modes: watch::Receiver<Mode>, shared: Arc<Shared>) {
    // Whoever hangs up, that is the end of it.
    let served = async { drop(serve_as(&mut stream, mode, &shared).await) };
    tokio::select! {
        () = served => {}
        _ = modes.changed() => {}
    }
}

async fn serve_as(stream: &mut TcpStream, mode: Mode, shared: &Shared) -> io::Result<()> {
    let mut exchange = Exchange { request: read_request(stream).await?, ..Exchange::default() };
    let is_transaction = exchange.is_transaction();
    shared.transactions.fetch_add(usize::from(is_transaction), Ordering::SeqCst);
    match mode {
        Mode::BlackHole => std::future::pending().await,
        Mode::Trickle => return trickle(stream).await,
        Mode::Answer(forge) if is_transaction => return stream.write_all(&forge(&exchange)).await,
        Mode::Delay(time) => sleep(time).await,
        _ => {}
    }
    exchange.answer = forward(shared.target(), &exchange.request).await?;
    if is_transaction {
        shared.passed.lock().unwrap().push(exchange.clone());
    }
    match mode {
        Mode::Swallow if is_transaction => return Ok(()),
        Mode::Twice if is_transaction => {
            let again = forward(shared.target(), &exchange.request).await?;
            shared.again.lock().unwrap().push(again);
        }
        _ => {}
    }
    stream.write_all(&exchange.answer).await
}

async fn trickle(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n").await?;
    loop {
        stream.write_all(b" ").await?;
        sleep(Duration::from_secs(1)).await;
    }
}

async fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    loop {
        if let Some(end) = end_of_head(&request) {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
            if request.len() >= end + length.unwrap_or(0_usize) {
                return Ok(request);
            }
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The homeserver's whole answer.
async fn forward(target: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(target).await?;
    let line = request.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let request = [&request[..line], b"connection: close\r\n", &request[line..]].concat();
    upstream.write_all(&request).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn end_of_head(message: &[u8]) -> Option<usize> {
    message.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4)
}
