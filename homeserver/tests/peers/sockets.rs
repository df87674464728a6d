//! Servers that mean harm, or do not know HTTP: one socket, one behaviour.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What a server does once a request has begun.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behaviour {
    /// Nothing.
    Silent,
    /// A head, a byte at a time.
    SlowHead,
    /// A body, a byte at a time.
    SlowBody,
    /// Headers without end.
    EndlessHead,
    /// A body without end.
    EndlessBody,
    /// A body of that many bytes, of which none comes.
    Promises(usize),
    /// Half a body.
    Breaks,
    /// Something else.
    NotHttp,
    /// Hangs up.
    Closes,
}

pub(super) async fn start(behaviour: Behaviour) -> SocketAddr {
    start_counting(behaviour, Arc::default()).await
}

/// Counts the requests too.
pub(super) async fn start_counting(behaviour: Behaviour, requests: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let requests = requests.clone();
            // It fails once the caller has had enough.
            tokio::spawn(async move { drop(behave(socket, behaviour, &requests).await) });
        }
    });
    address
}

async fn behave(mut socket: TcpStream, behaviour: Behaviour, requests: &AtomicUsize) -> std::io::Result<()> {
    let mut head = [0; 4096];
    if socket.read(&mut head).await? == 0 {
        return Ok(());
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let ok = "HTTP/1.1 200 OK\r\n";
    match behaviour {
        Behaviour::Silent => std::future::pending().await,
        Behaviour::SlowHead => drip(&mut socket, format!("{ok}x: {}", "y".repeat(1000)).as_bytes()).await,
        Behaviour::SlowBody => {
            socket.write_all(format!("{ok}content-length: 1000\r\n\r\n").as_bytes()).await?;
            drip(&mut socket, &[b'x'; 1000]).await
        }
        Behaviour::EndlessHead => {
            socket.write_all(ok.as_bytes()).await?;
            loop {
                socket.write_all(format!("x: {}\r\n", "y".repeat(1000)).as_bytes()).await?;
            }
        }
        Behaviour::EndlessBody => {
            socket.write_all(format!("{ok}transfer-encoding: chunked\r\n\r\n").as_bytes()).await?;
            loop {
                socket.write_all(format!("400\r\n{}\r\n", "y".repeat(0x400)).as_bytes()).await?;
            }
        }
        Behaviour::Promises(size) => {
            socket.write_all(format!("{ok}content-length: {size}\r\n\r\n").as_bytes()).await?;
            std::future::pending().await
        }
        Behaviour::Breaks => socket.write_all(format!("{ok}content-length: 100\r\n\r\nhalf").as_bytes()).await,
        Behaviour::NotHttp => socket.write_all(b"220 mail.example ESMTP\r\n").await,
        Behaviour::Closes => Ok(()),
    }
}

/// Ten bytes a second, so that no pause is long enough to count as one.
async fn drip(socket: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        socket.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
