//! Which servers are spoken to.

use homeserver::{
    config::Federation,
    model::ServerPattern,
    peers::policy::{Denied, Policy},
};
use missive_wire::ServerName;

use super::server::federation;

fn pattern(text: &str) -> ServerPattern {
    text.parse().unwrap()
}

fn name(text: &str) -> ServerName {
    text.parse().unwrap()
}

fn check(allow: &[&str], deny: &[&str], server: &str) -> Result<(), Denied> {
    let patterns = |texts: &[&str]| texts.iter().map(|text| pattern(text)).collect();
    let federation = Federation { allow: patterns(allow), deny: patterns(deny), ..federation() };
    Policy::new(name("one.example"), &federation).check(&name(server))
}

#[test]
fn patterns_mean_what_they_look_like() {
    for (text, meant, not_meant) in [
        ("two.example", vec!["two.example", "two.example:8448"], vec!["a.two.example", "atwo.example", "example"]),
        ("two.example:8448", vec!["two.example:8448"], vec!["two.example", "two.example:8449", "a.two.example:8448"]),
        (
            "*.two.example",
            vec!["a.two.example", "a.b.two.example:1"],
            vec!["two.example", "atwo.example", "a.three.example"],
        ),
        ("*.two.example:8448", vec!["a.two.example:8448"], vec!["a.two.example", "two.example:8448"]),
        ("*.example", vec!["two.example"], vec!["example", "twoexample"]),
        ("*", vec!["two.example", "localhost:1"], vec![]),
        ("localhost", vec!["localhost", "localhost:8080"], vec!["a.localhost"]),
    ] {
        let matches = |server: &&str| pattern(text).matches(&name(server));
        assert!(meant.iter().all(matches), "{text}");
        assert!(!not_meant.iter().any(matches), "{text}");
        assert_eq!(pattern(text).to_string(), text);
    }
    for wrong in
        ["", "*.", "*two.example", "a.*.example", "*.*.example", "Two.example", "**", ".two.example", "a b", "*:1"]
    {
        assert!(wrong.parse::<ServerPattern>().is_err(), "{wrong}");
    }
}

#[test]
fn what_is_denied_is_denied_whatever_is_allowed() {
    assert_eq!(check(&[], &[], "two.example"), Ok(()));
    assert_eq!(check(&[], &["two.example"], "two.example:8448"), Err(Denied::Denied));
    assert_eq!(check(&["*.org.example"], &[], "a.org.example"), Ok(()));
    assert_eq!(check(&["*.org.example"], &[], "two.example"), Err(Denied::NotAllowed));
    assert_eq!(check(&["*.org.example"], &["bad.org.example"], "bad.org.example"), Err(Denied::Denied));
    assert_eq!(check(&["two.example"], &["*"], "two.example"), Err(Denied::Denied));
    assert_eq!(check(&["*"], &[], "one.example"), Err(Denied::Own));
}

#[test]
fn a_server_that_does_not_federate_speaks_to_nobody() {
    let policy = Policy::new(name("one.example"), &Federation { enabled: false, ..federation() });
    assert_eq!(policy.check(&name("two.example")), Err(Denied::Disabled));
}
