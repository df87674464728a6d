//! Which addresses are called, in whatever way they are written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use homeserver::peers::{
    guard::{Guard, ResolveError, Resolver, Special, special},
    outbound::BaseUrl,
};
use missive_wire::ServerName;
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn guard(allow: &[&str]) -> Guard {
    Guard::new(&allow.iter().map(|network| network.parse().unwrap()).collect::<Vec<_>>())
}

/// The first and the last address of each special network, and what stands around it.
#[test]
fn special_networks_from_end_to_end() {
    use Special as S;
    for (kind, first, last) in [
        (S::Unspecified, "0.0.0.0", "0.255.255.255"),
        (S::Private, "10.0.0.0", "10.255.255.255"),
        (S::SharedByCarrier, "100.64.0.0", "100.127.255.255"),
        (S::Loopback, "127.0.0.0", "127.255.255.255"),
        (S::LinkLocal, "169.254.0.0", "169.254.255.255"),
        (S::Private, "172.16.0.0", "172.31.255.255"),
        (S::Reserved, "192.0.0.0", "192.0.0.255"),
        (S::Documentation, "192.0.2.0", "192.0.2.255"),
        (S::SixToFour, "192.88.99.0", "192.88.99.255"),
        (S::Private, "192.168.0.0", "192.168.255.255"),
        (S::Benchmark, "198.18.0.0", "198.19.255.255"),
        (S::Documentation, "198.51.100.0", "198.51.100.255"),
        (S::Documentation, "203.0.113.0", "203.0.113.255"),
        (S::Multicast, "224.0.0.0", "239.255.255.255"),
        (S::Reserved, "240.0.0.0", "255.255.255.254"),
        (S::Broadcast, "255.255.255.255", "255.255.255.255"),
        (S::Unspecified, "::", "::"),
        (S::Loopback, "::1", "::1"),
        (S::Mapped, "::2", "::ffff:ffff"),
        (S::Mapped, "::ffff:0:0", "::ffff:ffff:ffff"),
        (S::Nat64, "64:ff9b::", "64:ff9b::ffff:ffff"),
        (S::Nat64, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
        (S::Reserved, "100::", "100::ffff:ffff:ffff:ffff"),
        (S::Teredo, "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
        (S::Benchmark, "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"),
        (S::Reserved, "2001:10::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"),
        (S::Reserved, "2001:1ff::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (S::Documentation, "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        (S::SixToFour, "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (S::Documentation, "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (S::Reserved, "4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (S::Private, "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (S::LinkLocal, "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (S::Private, "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (S::Multicast, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ] {
        for address in [first, last] {
            assert_eq!(special(ip(address)), Some(kind), "{address}");
            assert_eq!(guard(&[]).check(ip(address)).unwrap_err().kind, kind, "{address}");
        }
    }
}

#[test]
fn public_addresses_pass() {
    for address in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:4860:4860::8888",
        "2003::",
        "2606:4700::1111",
        "3ffe:ffff::",
        "3fff:1000::",
    ] {
        assert_eq!(guard(&[]).check(ip(address)), Ok(()), "{address}");
    }
}

#[test]
fn only_allowed_networks_are_exceptions() {
    let guard = guard(&["10.20.0.0/16", "fd00:1::/32"]);
    let passes = |address| guard.check(ip(address)).is_ok();
    assert!(passes("10.20.0.1") && passes("10.20.255.255") && passes("fd00:1::1"));
    assert!(!passes("10.21.0.1") && !passes("fd00:2::1") && !passes("127.0.0.1"));
    // An address inside another is not the one that was allowed.
    assert!(!passes("::ffff:10.20.0.1") && !passes("64:ff9b::10.20.0.1") && !passes("2002:a14:1::"));
}

/// Names of servers and base URLs that are an address of this machine, or of the network of a cloud, in disguise.
#[test]
fn addresses_are_refused_in_every_spelling() {
    let names = [
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "0177.0.0.01",
        "0",
        "0x0",
        "00",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "10.1",
        "192.168.257",
        "3232235777",
    ];
    for name in names {
        let base = BaseUrl::of_server(&name.parse::<ServerName>().unwrap()).unwrap();
        assert!(guard(&[]).check_url(base.url()).is_err(), "{name} → {base}");
    }
    let urls = [
        "https://127.0.0.1./",
        "https://127.1./",
        "https://%31%32%37.0.0.1/",
        "https://0%78%37f.1/",
        "https://１２７.０.０.１/",
        "https://①②⑦.⓪.⓪.①/",
        "https://127。0。0。1/",
        "https:127.0.0.1",
        "https:\\\\127.0.0.1\\",
        "https:///127.0.0.1/",
        "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::a00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[fe80::1]/",
        "https://[fc00::1]/",
        "https://[2001:0:1::1]/",
        "https://[FEC0::1]:8448/",
        "HTTPS://0x7F.1:443/",
        "https://127.0.0.0x/",
        "https://\t127.0.0.1/",
    ];
    for url in urls {
        let base = BaseUrl::https(url).unwrap();
        assert!(guard(&[]).check_url(base.url()).is_err(), "{url} → {base}");
    }
    // What is no URL at all is not called either.
    for url in ["https://256.256.256.256/", "https://[::1/", "https://[fe80::1%25eth0]/", "https://1.2.3.4.5/"] {
        assert!(BaseUrl::https(url).is_err(), "{url}");
    }
}

#[test]
fn base_urls_are_https_and_nothing_more() {
    for url in [
        "http://two.example",
        "ftp://two.example",
        "file:///etc/passwd",
        "two.example",
        "",
        "https://",
        "https://a@two.example",
        "https://a:b@two.example",
        "https://:b@two.example",
        "https://two.example?x",
        "https://two.example/#x",
        "javascript:alert(1)",
    ] {
        assert!(BaseUrl::https(url).is_err(), "{url}");
    }
    assert!(BaseUrl::https(&format!("https://two.example/{}", "a".repeat(500))).is_err());
    let join = |base: &str, path: &str| BaseUrl::https(base).unwrap().join(path).map(|url| url.to_string());
    assert_eq!(join("https://two.example", "/a?b=%20").unwrap(), "https://two.example/a?b=%20");
    assert_eq!(join("https://two.example:443/missive/", "/a").unwrap(), "https://two.example/missive/a");
    // A path is called as it stands, or not at all: it is signed as it stands.
    for path in
        ["", "a", "/../a", "/a/./b", "/a b", "/a#b", "@evil.example/", ".evil.example/", "/ä", "/a\nb", "/%2e%2e/a"]
    {
        assert!(join("https://two.example/missive", path).is_err(), "{path}");
    }
}

#[tokio::test]
async fn names_that_resolve_to_this_machine_are_refused() {
    let strict = Resolver::new(guard(&[]), 4);
    for name in ["localhost", "127.1", "0x7f.1"] {
        let error = strict.addresses(name).await.unwrap_err();
        let ResolveError::Refused { refused, .. } = error else { panic!("{name}: {error}") };
        assert_eq!(refused.kind, Special::Loopback);
    }
    let error = strict.addresses("name.invalid").await.unwrap_err();
    assert!(matches!(error, ResolveError::Unknown { .. } | ResolveError::Slow(_)), "{error}");
    // Of several addresses, those that may be called are.
    let open = Resolver::new(guard(&["127.0.0.0/8"]), 4);
    let addresses = open.addresses("localhost").await.unwrap();
    assert!(addresses.iter().all(|address| address.ip() == Ipv4Addr::LOCALHOST), "{addresses:?}");
}

proptest! {
    /// Whatever the URL parser makes of a text, an address that is called has been checked.
    #[test]
    fn no_spelling_gets_past(host in "[0-9a-fxX.:%\\[\\]]{1,24}") {
        if let Ok(base) = BaseUrl::https(&format!("https://{host}")) {
            let host = base.url().host_str().unwrap().trim_matches(['[', ']']).to_owned();
            if let Ok(address) = host.parse::<IpAddr>() {
                prop_assert_eq!(guard(&[]).check_url(base.url()).is_err(), special(address).is_some());
            } else {
                // A name: what the system would take for an address is not one that the URL has as a name.
                prop_assert!(host.parse::<Ipv4Addr>().is_err() && host.parse::<Ipv6Addr>().is_err());
            }
        }
    }
}
