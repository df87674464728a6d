//! Signed requests: accepted when right, and each way to be wrong refused for its own reason.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use homeserver::peers::signature::{
    BodyDigest, Input, LABEL, Message, Outgoing, RequestClaim, RequestHead, SignatureError, SignedRequest,
};
use http::{HeaderValue, Method};
use missive_wire::{ServerName, Timestamp};

pub(super) const PATH: &str = "/federation/v1/transactions/01955a3c-0000-7000-8000-000000000001?x=%20y";
pub(super) const BODY: &[u8] = b"{\"envelopes\":[]}";
pub(super) const NOW: i64 = 1_772_366_400;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

pub(super) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(super) fn sign(seed: u8) -> impl Fn(&[u8]) -> [u8; 64] {
    move |message| key(seed).sign(message).to_bytes()
}

pub(super) fn server(name: &str) -> ServerName {
    name.parse().unwrap()
}

/// A request of one.example to two.example, signed with the key `seed` as of `now`.
pub(super) fn signed_at(now: i64, seed: u8) -> SignedRequest {
    let (origin, destination) = (server("one.example"), server("two.example"));
    let outgoing = Outgoing {
        method: &Method::POST,
        origin: &origin,
        destination: &destination,
        path_and_query: PATH,
        body: BODY,
    };
    outgoing.sign("a1", sign(seed), at(now), &[7; 16]).unwrap()
}

fn signed() -> SignedRequest {
    signed_at(NOW, 1)
}

/// What the receiver makes of the headers.
fn received(request: &SignedRequest) -> Result<RequestClaim, SignatureError> {
    RequestClaim::read(&request.head(), at(NOW))
}

fn refused(request: &SignedRequest) -> SignatureError {
    received(request).and_then(|claim| claim.verify(&key(1).verifying_key())).unwrap_err()
}

fn set(request: &mut SignedRequest, name: &'static str, value: &str) {
    request.headers.insert(name, HeaderValue::from_str(value).unwrap());
}

/// Signs the request anew with this text in place of our own member of `Signature-Input`.
fn sign_as(request: &mut SignedRequest, input: &str) {
    let base = Input::parse(input).unwrap().base(&Message::Request(request.head())).unwrap();
    let signature = STANDARD.encode(sign(1)(base.as_bytes()));
    set(request, "signature-input", &format!("other={input}"));
    set(request, "signature", &format!("other=:{signature}:"));
}

const COVERED: &str =
    "(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\" \"missive-origin\" \"missive-destination\")";

fn parameters() -> String {
    let expires = NOW + 300;
    format!(";created={NOW};expires={expires};nonce=\"n\";keyid=\"a1\";alg=\"ed25519\";tag=\"missive-federation\"")
}

#[test]
fn a_request_is_accepted_and_says_who_asks() {
    let request = signed();
    let claim = received(&request).unwrap();
    assert_eq!((claim.origin().as_str(), claim.key_id(), claim.created()), ("one.example", "a1", at(NOW)));
    let verified = claim.verify(&key(1).verifying_key()).unwrap();
    assert_eq!((verified.origin.as_str(), verified.label.as_str()), ("one.example", LABEL));
    assert_eq!((verified.nonce.as_str(), verified.expires), ("BwcHBwcHBwcHBwcHBwcHBw", at(NOW + 300)));
    verified.digest.check(BODY).unwrap();
    assert_eq!(verified.digest.check(b"{}"), Err(SignatureError::WrongBody));
    let mut hasher = verified.digest.hasher();
    BODY.chunks(3).for_each(|part| hasher.update(part));
    hasher.finish().unwrap();
    let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
    assert_eq!(
        ["content-type", "content-digest", "missive-origin", "missive-destination"].map(header),
        ["application/json", "sha-256=:AOEXwLZnrsbHKviJqQPCAcwx+yPJR7fJUJruY07/ick=:", "one.example", "two.example"]
    );
    insta::assert_snapshot!(
        header("signature-input"),
        @r#"missive=("@method" "@target-uri" "content-digest" "content-type" "missive-origin" "missive-destination");created=1772366400;expires=1772366700;nonce="BwcHBwcHBwcHBwcHBwcHBw";keyid="a1";alg="ed25519";tag="missive-federation""#
    );
}

#[test]
fn parameters_count_in_any_order_and_unknown_ones_are_signed_too() {
    let (from, until) = (NOW, NOW + 1);
    let orders = [
        format!(";tag=\"missive-federation\";alg=\"ed25519\";keyid=\"a1\";nonce=\"n\";expires={until};created={from}"),
        format!("{};later=?0;flag;size=1.5;token=a/b;bytes=:AAE=:", parameters()),
        format!(";flag{}", parameters()),
    ];
    for order in orders {
        let mut request = signed();
        sign_as(&mut request, &format!("{COVERED}{order}"));
        received(&request).unwrap().verify(&key(1).verifying_key()).unwrap();
        // The same with one unknown parameter taken away or added is another signature.
        let altered = request.headers["signature-input"].to_str().unwrap().replace(";flag", "") + ";more";
        set(&mut request, "signature-input", &altered);
        assert_eq!(refused(&request), SignatureError::WrongSignature, "{order}");
    }
}

#[test]
fn components_count_in_any_order_and_more_may_be_covered() {
    let mut request = signed();
    set(&mut request, "date", "Sun, 01 Mar 2026 12:00:00 GMT");
    let covered = "(\"@query\" \"missive-destination\" \"date\" \"missive-origin\" \"@path\" \"content-type\" \"@scheme\" \
                   \"content-digest\" \"@authority\" \"@target-uri\" \"@request-target\" \"@method\")";
    sign_as(&mut request, &format!("{covered}{}", parameters()));
    received(&request).unwrap().verify(&key(1).verifying_key()).unwrap();
    set(&mut request, "date", "Sun, 01 Mar 2026 12:00:01 GMT");
    assert_eq!(refused(&request), SignatureError::WrongSignature);
}

#[test]
fn white_space_that_a_proxy_adds_changes_nothing() {
    let mut request = signed();
    let input = request.headers["signature-input"].to_str().unwrap();
    let spaced = input.replace('(', "(  ").replace("\" \"", "\"   \"").replace(';', ";  ");
    let (first, second) = ("a=1  ,\tb=(\"x\")", spaced);
    request.headers.remove("signature-input");
    request.headers.append("signature-input", HeaderValue::from_static(first));
    request.headers.append("signature-input", HeaderValue::from_str(&second).unwrap());
    received(&request).unwrap().verify(&key(1).verifying_key()).unwrap();
}

#[test]
fn signatures_without_the_tag_are_ignored() {
    let mut request = signed();
    let with = |ours: &str, others: [&str; 2]| format!("{}, {ours}, {}", others[0], others[1]);
    let input = request.headers["signature-input"].to_str().unwrap().to_owned();
    let signature = request.headers["signature"].to_str().unwrap().to_owned();
    let others = ["proxy=(\"@authority\" \"x-never\");tag=\"proxy\"", "item=1;tag=\"missive-federation\""];
    set(&mut request, "signature-input", &with(&input, others));
    set(&mut request, "signature", &with(&signature, ["proxy=:AAEC:", "unrelated=:AAEC:"]));
    received(&request).unwrap().verify(&key(1).verifying_key()).unwrap();
}

#[test]
fn exactly_one_signature_bears_the_tag() {
    let mut request = signed();
    let input = request.headers["signature-input"].to_str().unwrap().to_owned();
    let signature = request.headers["signature"].to_str().unwrap().to_owned();
    set(&mut request, "signature-input", &format!("{input}, {}", input.replace("missive=", "second=")));
    set(&mut request, "signature", &format!("{signature}, {}", signature.replace("missive=", "second=")));
    assert_eq!(refused(&request), SignatureError::SeveralTagged);

    for tag in [";tag=\"missive-federation2\"", "", ";tag=missive-federation", ";tag=?1"] {
        set(&mut request, "signature-input", &input.replace(";tag=\"missive-federation\"", tag));
        assert_eq!(refused(&request), SignatureError::NotTagged, "{tag}");
    }
    request.headers.remove("signature-input");
    assert_eq!(refused(&request), SignatureError::Unsigned);
}

#[test]
fn duplicate_labels_are_refused_in_both_headers() {
    for name in ["signature-input", "signature"] {
        let mut request = signed();
        let value = request.headers[name].clone();
        request.headers.append(name, value);
        let SignatureError::DuplicateLabel { header, label } = refused(&request) else { panic!("{name}") };
        assert_eq!((header, label.as_str()), (name, LABEL));
    }
}

#[test]
fn every_component_must_be_covered() {
    for component in COVERED.trim_matches(['(', ')']).split(' ') {
        let mut request = signed();
        let covered = COVERED.replace(component, "").replace("  ", " ");
        sign_as(&mut request, &format!("{covered}{}", parameters()));
        assert_eq!(refused(&request), SignatureError::MissingComponent(component.to_owned()));
    }
    // A component of another message, or a member of a header, is another component.
    for other in ["\"content-digest\";key=\"sha-256\"", "\"content-type\";sf"] {
        let mut request = signed();
        let name = other.split(';').next().unwrap();
        let input = format!("{}{}", COVERED.replace(name, other), parameters());
        set(&mut request, "signature-input", &format!("missive={input}"));
        let error = refused(&request);
        let expected =
            [SignatureError::MissingComponent(name.to_owned()), SignatureError::UnsupportedComponent(other.to_owned())];
        assert!(expected.contains(&error), "{error}");
    }
}

#[test]
fn every_covered_header_must_be_there() {
    for name in ["content-digest", "content-type", "missive-origin", "missive-destination"] {
        let mut request = signed();
        request.headers.remove(name);
        assert_eq!(refused(&request), SignatureError::Absent(format!("\"{name}\"")));
    }
}

#[test]
fn every_parameter_must_be_there_and_of_its_type() {
    for (name, wrong) in [
        ("created", "created=\"1\""),
        ("expires", "expires=1.5"),
        ("nonce", "nonce=\"\""),
        ("nonce", "nonce=token"),
        ("keyid", "keyid=1"),
        ("alg", "alg=ed25519"),
    ] {
        let own = parameters();
        let part = own.split(';').find(|part| part.starts_with(name)).unwrap();
        let mut request = signed();
        sign_as(&mut request, &format!("{COVERED}{}", own.replace(&format!(";{part}"), "")));
        assert_eq!(refused(&request), SignatureError::MissingParameter(name));
        sign_as(&mut request, &format!("{COVERED}{}", own.replace(part, wrong)));
        assert_eq!(refused(&request), SignatureError::InvalidParameter(name));
    }
    let mut request = signed();
    let long = format!("nonce=\"{}\"", "n".repeat(129));
    sign_as(&mut request, &format!("{COVERED}{}", parameters().replace("nonce=\"n\"", &long)));
    assert_eq!(refused(&request), SignatureError::InvalidParameter("nonce"));
    sign_as(&mut request, &format!("{COVERED}{}", parameters().replace("\"ed25519\"", "\"hmac-sha256\"")));
    assert_eq!(refused(&request), SignatureError::WrongAlgorithm("hmac-sha256".to_owned()));
}

#[test]
fn times_are_bounded() {
    let result = |created: i64, now: i64| RequestClaim::read(&signed_at(created, 1).head(), at(now)).map(drop);
    assert_eq!(result(NOW, NOW - 60), Ok(()));
    assert_eq!(result(NOW, NOW - 61), Err(SignatureError::CreatedInFuture { seconds: 61 }));
    assert_eq!(result(NOW, NOW + 300), Ok(()));
    assert_eq!(result(NOW, NOW + 301), Err(SignatureError::Expired { seconds: 1 }));
    for (lifetime, expected) in [
        (300, Ok(())),
        (1, Ok(())),
        (301, Err(SignatureError::InvalidLifetime)),
        (0, Err(SignatureError::InvalidLifetime)),
        (-1, Err(SignatureError::InvalidLifetime)),
        (999_999_999_999_999 - NOW, Err(SignatureError::InvalidLifetime)),
    ] {
        let mut request = signed();
        let own = parameters().replace(&format!("expires={}", NOW + 300), &format!("expires={}", NOW + lifetime));
        sign_as(&mut request, &format!("{COVERED}{own}"));
        assert_eq!(received(&request).map(drop), expected, "{lifetime}");
    }
}

#[test]
fn only_for_this_server_and_from_a_server() {
    let mut request = signed();
    set(&mut request, "missive-destination", "three.example");
    assert_eq!(refused(&request), SignatureError::WrongDestination { named: "three.example".to_owned() });
    for origin in ["", "One.example", "one.example, one.example", "a b"] {
        let mut request = signed();
        set(&mut request, "missive-origin", origin);
        assert_eq!(refused(&request), SignatureError::InvalidOrigin, "{origin}");
    }
    // Redirected to another server, the same request is for another target too.
    let request = signed();
    let three = server("three.example");
    let head = RequestHead { server: &three, ..request.head() };
    let error = RequestClaim::read(&head, at(NOW)).unwrap_err();
    assert_eq!(error, SignatureError::WrongDestination { named: "two.example".to_owned() });
}

#[test]
fn whatever_is_altered_is_refused() {
    let altered: [fn(&mut SignedRequest); 7] = [
        |request| request.method = Method::PUT,
        |request| request.path_and_query = request.path_and_query.replace("x=", "y="),
        |request| set(request, "content-type", "text/plain"),
        |request| set(request, "content-digest", &BodyDigest::of(b"{}").header()),
        |request| set(request, "missive-origin", "three.example"),
        |request| {
            let input = request.headers["signature-input"].to_str().unwrap().replace("a1", "a2");
            set(request, "signature-input", &input);
        },
        |request| {
            let input = request.headers["signature-input"].to_str().unwrap().replace("nonce=\"B", "nonce=\"C");
            set(request, "signature-input", &input);
        },
    ];
    for (index, alter) in altered.iter().enumerate() {
        let mut request = signed();
        alter(&mut request);
        assert_eq!(refused(&request), SignatureError::WrongSignature, "{index}");
    }
    let claim = received(&signed()).unwrap();
    assert_eq!(claim.verify(&key(2).verifying_key()).unwrap_err(), SignatureError::WrongSignature);
}

#[test]
fn a_digest_must_be_one_of_sha_256() {
    let sha512 = "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:";
    for (value, expected) in [
        (sha512, SignatureError::NoDigest),
        ("sha-256=:AAEC:", SignatureError::NoDigest),
        ("sha-256=1", SignatureError::NoDigest),
        ("", SignatureError::NoDigest),
        ("sha-256=:", SignatureError::Malformed("content-digest")),
    ] {
        let mut request = signed();
        set(&mut request, "content-digest", value);
        assert_eq!(refused(&request), expected, "{value}");
    }
    // Another algorithm beside it is ignored.
    let mut request = signed();
    let both = format!("{sha512}, {}", BodyDigest::of(BODY).header());
    set(&mut request, "content-digest", &both);
    sign_as(&mut request, &format!("{COVERED}{}", parameters()));
    received(&request).unwrap().verify(&key(1).verifying_key()).unwrap().digest.check(BODY).unwrap();
}

#[test]
fn every_refusal_has_a_code_of_its_own_kind() {
    let request = signed();
    let mut stripped = request.clone();
    stripped.headers.remove("signature");
    assert_eq!(refused(&stripped).code(), "no_signature");
    assert_eq!(SignatureError::WrongSignature.code(), "wrong_signature");
    assert_eq!(SignatureError::Expired { seconds: 1 }.code(), "signature_expired");
}

#[test]
fn what_cannot_stand_in_a_header_is_not_signed() {
    let (origin, destination) = (server("one.example"), server("two.example"));
    let outgoing = |path_and_query| Outgoing {
        method: &Method::GET,
        origin: &origin,
        destination: &destination,
        path_and_query,
        body: b"",
    };
    let sign = |path, key_id| outgoing(path).sign(key_id, sign(1), at(NOW), &[0; 16]).map(drop);
    assert_eq!(sign("/a\nb", "a1"), Err(SignatureError::Unprintable("\"@target-uri\"".to_owned())));
    assert_eq!(sign("/ä", "a1"), Err(SignatureError::Unprintable("\"@target-uri\"".to_owned())));
    assert_eq!(sign("/a", "ä"), Err(SignatureError::Unsignable("keyid")));
    assert_eq!(sign("/a", ""), Err(SignatureError::Unsignable("keyid")));
    assert_eq!(sign("/a", "a1"), Ok(()));
}
