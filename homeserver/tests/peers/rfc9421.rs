//! The vectors of RFC 9421 for Ed25519: appendix B.1.4 (key), B.2 (messages), B.2.6 (signature).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use homeserver::peers::signature::{AnswerHead, Input, Message, RequestHead};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use missive_wire::ServerName;

/// The JSON Web Key's `d` and `x` of `test-key-ed25519`, B.1.4.
const SECRET: &str = "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=";
const PUBLIC: &str = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";

/// B.2.6.
const INPUT: &str = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
                     ;created=1618884473;keyid=\"test-key-ed25519\"";
const BASE: &str = "\
\"date\": Tue, 20 Apr 2021 02:07:55 GMT
\"@method\": POST
\"@path\": /foo
\"@authority\": example.com
\"content-type\": application/json
\"content-length\": 18
\"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
;created=1618884473;keyid=\"test-key-ed25519\"";
const SIGNATURE: &str = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";

/// B.2's response digest.
const RESPONSE_DIGEST: &str =
    "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:";

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    list.iter().map(pair).collect()
}

/// B.2's test-request, and with `Signature` what B.2.6 adds to it.
fn request_headers() -> HeaderMap {
    headers(&[
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-length", "18"),
        ("signature", &format!("sig-b26=:{SIGNATURE}:")),
    ])
}

fn response_headers() -> HeaderMap {
    headers(&[
        ("date", "Tue, 20 Apr 2021 02:07:56 GMT"),
        ("content-type", "application/json"),
        ("content-digest", RESPONSE_DIGEST),
        ("content-length", "23"),
    ])
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&STANDARD.decode(SECRET).unwrap().try_into().unwrap())
}

fn sign(base: &str) -> String {
    STANDARD.encode(key().sign(base.as_bytes()).to_bytes())
}

/// Calls `check` with B.2's test-request.
fn with_request(check: impl FnOnce(RequestHead)) {
    let (server, headers): (ServerName, _) = ("example.com".parse().unwrap(), request_headers());
    check(RequestHead {
        method: &Method::POST,
        server: &server,
        path_and_query: "/foo?param=Value&Pet=dog",
        headers: &headers,
    });
}

#[test]
fn the_key() {
    assert_eq!(STANDARD.encode(key().verifying_key().to_bytes()), PUBLIC);
}

#[test]
fn a_request_byte_for_byte() {
    with_request(|request| {
        let input = Input::parse(INPUT).unwrap();
        assert_eq!(input.to_string(), INPUT);
        let base = input.base(&Message::Request(request)).unwrap();
        assert_eq!(base, BASE);
        assert_eq!(sign(&base), SIGNATURE);
        let signature = Signature::from_slice(&STANDARD.decode(SIGNATURE).unwrap()).unwrap();
        key().verifying_key().verify_strict(base.as_bytes(), &signature).unwrap();
    });
}

/// B.2.4 with the key of B.1.4 in place of its own. The signature was made with the Python package `cryptography`.
#[test]
fn a_response() {
    with_request(|request| {
        let headers = response_headers();
        let answer = Message::Answer(AnswerHead { status: StatusCode::OK, headers: &headers, request });
        let text = "(\"@status\" \"content-type\" \"content-digest\" \"content-length\")\
                    ;created=1618884473;keyid=\"test-key-ed25519\"";
        let base = Input::parse(text).unwrap().base(&answer).unwrap();
        let expected = format!(
            "\"@status\": 200\n\"content-type\": application/json\n\"content-digest\": {RESPONSE_DIGEST}\n\
             \"content-length\": 23\n\"@signature-params\": {text}"
        );
        assert_eq!(base, expected);
        let signature = "x9zcKWH26/PQ97pkcu7gin/qJNkYEWKzTIdfp78RIumjhOJkOXg3iHLNyDXSI//Gr5IxWMLcn7m7zisXOvpiAg==";
        assert_eq!(sign(&base), signature);
    });
}

/// Section 2.4: the response covers the request's signature. Made as the one above.
#[test]
fn a_response_that_covers_the_signature_of_its_request() {
    with_request(|request| {
        let headers = response_headers();
        let answer = Message::Answer(AnswerHead { status: StatusCode::OK, headers: &headers, request });
        let text = "(\"@status\" \"content-digest\" \"signature\";req;key=\"sig-b26\")\
                    ;created=1618884479;keyid=\"test-key-ed25519\"";
        let base = Input::parse(text).unwrap().base(&answer).unwrap();
        assert!(base.contains(&format!("\n\"signature\";req;key=\"sig-b26\": :{SIGNATURE}:\n")), "{base}");
        let signature = "xTsqXqemg9nZdbcL5UD8ldUycaXbPrVlsFJKqiIdn7EDpQjbl2/faBEXqbJ5GUipL6a41emm5Ml7C9LGLNH+Ag==";
        assert_eq!(sign(&base), signature);
    });
}

/// The examples of sections 2.2.1 to 2.2.7, as far as their scheme is `https`.
#[test]
fn derived_components() {
    let server: ServerName = "www.example.com".parse().unwrap();
    let headers = HeaderMap::new();
    let value = |path_and_query: &str, component: &str| {
        let head = RequestHead { method: &Method::POST, server: &server, path_and_query, headers: &headers };
        let base = Input::parse(&format!("(\"{component}\")")).unwrap().base(&Message::Request(head)).unwrap();
        base.lines().next().unwrap().to_owned()
    };
    assert_eq!(value("/path?param=value", "@method"), "\"@method\": POST");
    assert_eq!(value("/path?param=value", "@target-uri"), "\"@target-uri\": https://www.example.com/path?param=value");
    assert_eq!(value("/path?param=value", "@authority"), "\"@authority\": www.example.com");
    assert_eq!(value("/path?param=value", "@scheme"), "\"@scheme\": https");
    assert_eq!(value("/path?param=value", "@request-target"), "\"@request-target\": /path?param=value");
    assert_eq!(value("/path?param=value", "@path"), "\"@path\": /path");
    let query = "/path?param=value&foo=bar&baz=bat%2Dman";
    assert_eq!(value(query, "@query"), "\"@query\": ?param=value&foo=bar&baz=bat%2Dman");
    assert_eq!(value("/path?queryString", "@query"), "\"@query\": ?queryString");
    assert_eq!(value("/path", "@query"), "\"@query\": ?");
}

/// Section 2.1: lines are trimmed and joined; section 2.1.2: members of dictionaries.
#[test]
fn header_fields() {
    let server: ServerName = "example.com".parse().unwrap();
    let mut headers = headers(&[("x-ows-header", "   Leading and trailing whitespace.   "), ("x-empty-header", "")]);
    headers.append("cache-control", HeaderValue::from_static("max-age=60"));
    headers.append("cache-control", HeaderValue::from_static("   must-revalidate"));
    headers.append("example-dict", HeaderValue::from_static("  a=1,    b=2;x=1;y=2,   c=(a   b    c), d"));
    let head = RequestHead { method: &Method::GET, server: &server, path_and_query: "/", headers: &headers };
    let base = |input: &str| Input::parse(input).unwrap().base(&Message::Request(head)).unwrap();
    let lines = base(
        "(\"x-ows-header\" \"cache-control\" \"x-empty-header\" \"example-dict\";key=\"a\" \"example-dict\";key=\"d\" \
         \"example-dict\";key=\"b\" \"example-dict\";key=\"c\")",
    );
    let expected = [
        "\"x-ows-header\": Leading and trailing whitespace.",
        "\"cache-control\": max-age=60, must-revalidate",
        "\"x-empty-header\": ",
        "\"example-dict\";key=\"a\": 1",
        "\"example-dict\";key=\"d\": ?1",
        "\"example-dict\";key=\"b\": 2;x=1;y=2",
        "\"example-dict\";key=\"c\": (a b c)",
    ];
    assert_eq!(lines.lines().take(7).collect::<Vec<_>>(), expected);
}
