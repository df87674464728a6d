//! Whose a server's name is: the domain that somebody registered, by the public suffix list. Names below it cost their
//! owner nothing, so what must not be had for nothing counts by it.

use missive_wire::ServerName;

/// The registrable domain of a server: `example.org` for `a.b.example.org:8448`. Addresses, single labels and public
/// suffixes themselves are their own.
pub fn registrable(server: &ServerName) -> &str {
    let host = server.as_str().split(':').next().unwrap_or_default();
    // The list's rule for names that no other rule fits would take a part of an address for a domain.
    let is_address = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if is_address { host } else { psl::domain_str(host).unwrap_or(host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_whoever_registered_its_domain() {
        for (server, domain) in [
            ("example.org", "example.org"),
            ("example.org:8448", "example.org"),
            ("a.b.example.org:8448", "example.org"),
            ("chat.example.co.uk", "example.co.uk"),
            ("ada.github.io", "ada.github.io"),
            ("x.ada.github.io", "ada.github.io"),
            ("github.io", "github.io"),
            ("co.uk", "co.uk"),
            ("a.two.example", "two.example"),
            ("localhost:8080", "localhost"),
            ("intranet", "intranet"),
            ("127.0.0.1:8080", "127.0.0.1"),
            ("10.0.0.5", "10.0.0.5"),
            ("xn--bcher-kva.example.org", "example.org"),
        ] {
            assert_eq!(registrable(&server.parse().unwrap()), domain, "{server}");
        }
    }
}
