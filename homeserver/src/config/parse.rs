//! How single values are read and checked.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use http::Uri;
use ipnet::IpNet;
use missive_wire::ServerName;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Networks in CIDR notation; a bare address is a network of one.
pub(super) fn networks<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<IpNet>, D::Error> {
    let network = |text: String| {
        let one = text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or(one)
            .map_err(|_| D::Error::custom("a network is written like `10.0.0.0/8` or `fd00::/8`"))
    };
    Vec::<String>::deserialize(source)?.into_iter().map(network).collect()
}

pub(super) fn address<'de, D: Deserializer<'de>>(source: D) -> Result<SocketAddr, D::Error> {
    let wrong = |_| D::Error::custom("an address is an IP and a port, like `127.0.0.1:8080` or `[::]:8080`");
    String::deserialize(source)?.parse().map_err(wrong)
}

pub(super) fn server_name(name: &impl AsRef<str>) -> Result<(), String> {
    name.as_ref().parse::<ServerName>().map(drop).map_err(|error| error.to_string())
}

/// Base URLs end where the path begins, so that `{base}/federation/v1/…` can be appended.
pub(super) fn base_urls(urls: &BTreeMap<ServerName, String>) -> Result<(), String> {
    match urls.iter().find(|(_, url)| !is_base(url, &["http", "https"])) {
        None => Ok(()),
        Some((name, _)) => Err(format!("the URL of {name} is written like `https://10.0.0.5:8448`, with no path")),
    }
}

/// Where others reach this server: only by HTTPS, or they would not believe that they have.
pub(super) fn base_url(url: &impl AsRef<str>) -> Result<(), &'static str> {
    let url = url.as_ref();
    if is_base(url, &["https"]) && !url.ends_with('/') {
        Ok(())
    } else {
        Err("it is written like `https://chat.example.org`, with no path and no `/` at the end")
    }
}

fn is_base(url: &str, schemes: &[&str]) -> bool {
    url.parse::<Uri>().is_ok_and(|url| {
        let scheme = url.scheme_str().is_some_and(|scheme| schemes.contains(&scheme));
        let host_only = url.path() == "/" && url.query().is_none();
        scheme && host_only && url.authority().is_some_and(|host| !host.as_str().contains('@'))
    })
}

pub(super) fn filter(directives: &impl AsRef<str>) -> Result<(), String> {
    let directives = directives.as_ref();
    let parsed = tracing_subscriber::EnvFilter::try_new(directives);
    match parsed {
        Ok(_) if !directives.trim().is_empty() => Ok(()),
        _ => Err("write a level (error, warn, info, debug, trace), or `info,homeserver=debug`".to_owned()),
    }
}

pub(super) fn path(path: &impl AsRef<Path>) -> Result<(), &'static str> {
    if path.as_ref().as_os_str().is_empty() { Err("the path is empty: write one, or remove the key") } else { Ok(()) }
}

pub(super) fn positive<T: Default + PartialOrd>(number: &T) -> Result<(), &'static str> {
    if *number > T::default() {
        Ok(())
    } else {
        Err("write at least 1 (`limits.enabled = false` turns every limit off)")
    }
}
