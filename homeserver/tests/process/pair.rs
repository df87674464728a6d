//! Two homeserver processes that federate.

use std::net::TcpListener;

use rand::Rng as _;

use super::{Authority, Homeserver, Kind, Seat};

/// How two homeservers find and reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over HTTP, where `federation.resolve` says.
    Http,
    /// Over HTTPS, where `federation.resolve` says, with certificates of a private authority for their names.
    Https,
    /// Over HTTPS, by their names and what they publish there.
    ByName,
}

/// Two homeservers that federate, each on a database of its own, and on a port that it keeps when it starts again.
pub struct Pair {
    pub one: Homeserver,
    pub two: Homeserver,
}

impl Pair {
    /// Starts both; `None` where PostgreSQL is left out.
    pub async fn start(kind: Kind, transport: Transport, settings: &[&str]) -> Option<Self> {
        let authority = (transport != Transport::Http).then(Authority::new);
        let ports = [(); 2].map(|()| free_port());
        let names = match transport {
            Transport::ByName => ports.map(|port| format!("localhost:{port}")),
            Transport::Http | Transport::Https => ["one.example".into(), "two.example".into()],
        };
        let mut shared = vec!["federation.enabled=true".into(), ways(transport, &names, ports)];
        shared.extend(authority.iter().map(|one| format!("federation.ca_file={}", one.file().display())));
        shared.extend(settings.iter().map(ToString::to_string));
        let mut servers = Vec::new();
        for (name, port) in names.into_iter().zip(ports) {
            let own = authority.iter().flat_map(|one| one.settings_for(name.split(':').next().unwrap()));
            let settings = own.chain(shared.clone()).collect();
            let seat = Seat { name, listen: format!("127.0.0.1:{port}"), authority: authority.clone() };
            servers.push(Homeserver::start_at(kind, seat, settings).await?);
        }
        let two = servers.pop()?;
        Some(Self { one: servers.pop()?, two })
    }
}

fn ways(transport: Transport, names: &[String], ports: [u16; 2]) -> String {
    let scheme = match transport {
        Transport::ByName => return "federation.allow_networks=127.0.0.0/8".into(),
        Transport::Http => "http",
        Transport::Https => "https",
    };
    let way = |(name, port)| format!("{name}={scheme}://127.0.0.1:{port}");
    let ways = names.iter().zip(ports).map(way).collect::<Vec<_>>();
    format!("federation.resolve={}", ways.join(","))
}

/// A port of loopback that is free. It is none that the system gives to outgoing connections, so that it is still free
/// when a homeserver comes back to it.
fn free_port() -> u16 {
    loop {
        let port = rand::rng().random_range(12_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
