//! Addresses that are not public unicast ones (the special-purpose registries of IANA, RFC 6890, and what else is not
//! to be called).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What an address is that is not a public unicast one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Special {
    /// 0.0.0.0/8 (RFC 1122), `::`.
    Unspecified,
    /// 127.0.0.0/8, `::1`.
    Loopback,
    /// RFC 1918; `fc00::/7` (RFC 4193); `fec0::/10` (RFC 3879).
    Private,
    /// 100.64.0.0/10 (RFC 6598).
    SharedByCarrier,
    /// 169.254.0.0/16 (RFC 3927), `fe80::/10`. Clouds tell secrets there.
    LinkLocal,
    /// 224.0.0.0/4, `ff00::/8`.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// 198.18.0.0/15 (RFC 2544), `2001:2::/48` (RFC 5180).
    Benchmark,
    /// 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 (RFC 5737), `2001:db8::/32` (RFC 3849), `3fff::/20` (RFC 9637).
    Documentation,
    /// An IPv4 address in an IPv6 one: `::ffff:0:0/96` and `::ffff:0:0:0/96` (RFC 6145), `::/96`.
    Mapped,
    /// `64:ff9b::/96` (RFC 6052), `64:ff9b:1::/48` (RFC 8215).
    Nat64,
    /// `2002::/16` (RFC 3056), and its relays, 192.88.99.0/24 (RFC 7526).
    SixToFour,
    /// `2001::/32` (RFC 4380).
    Teredo,
    /// Everything else that is not given to networks of the internet.
    Reserved,
}

/// What an address is, if it is no public unicast one.
pub fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    match address.octets() {
        [0, ..] => Some(Special::Unspecified),
        [127, ..] => Some(Special::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Special::Private),
        [100, 64..=127, ..] => Some(Special::SharedByCarrier),
        [169, 254, ..] => Some(Special::LinkLocal),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some(Special::Documentation),
        [198, 18..=19, ..] => Some(Special::Benchmark),
        [192, 88, 99, _] => Some(Special::SixToFour),
        [255, 255, 255, 255] => Some(Special::Broadcast),
        [224..=239, ..] => Some(Special::Multicast),
        [192, 0, 0, _] | [240..=255, ..] => Some(Special::Reserved),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Special::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Special::Loopback),
        [0, 0, 0, 0, 0 | 0xffff, _, _, _] => Some(Special::Mapped),
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, 1, ..] => Some(Special::Nat64),
        [0x2001, 0, ..] => Some(Special::Teredo),
        [0x2001, 2, 0, ..] => Some(Special::Benchmark),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some(Special::Documentation),
        [0x2001, 1..=0x01ff, ..] => Some(Special::Reserved),
        [0x2002, ..] => Some(Special::SixToFour),
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some(Special::Private),
        [0xfe80..=0xfebf, ..] => Some(Special::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Special::Multicast),
        // Only 2000::/3 is given to networks of the internet (RFC 4291).
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Special::Reserved),
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "an address of this machine itself",
            Self::Private => "an address of a private network",
            Self::SharedByCarrier => "an address inside a carrier's network",
            Self::LinkLocal => "an address of the local link",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Benchmark => "an address for benchmarks",
            Self::Documentation => "an address for documentation",
            Self::Mapped => "an IPv4 address inside an IPv6 one",
            Self::Nat64 => "an IPv4 address behind NAT64",
            Self::SixToFour => "an IPv4 address behind 6to4",
            Self::Teredo => "an address behind Teredo",
            Self::Reserved => "a reserved address",
        })
    }
}
